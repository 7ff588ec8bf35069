"""One convolution, lowered for the platform it runs on.

GPU and TPU want XLA's own convolution. On CPU the kinds that image networks are made of
are faster when written out: depthwise kernels as a sum of shifted products (8 to 25
times faster than the grouped convolution), 1x1 kernels as a matrix product, and dense
3x3 kernels by Winograd's algorithm (about twice as fast on large maps).
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxsim.core.errors import InputError
from jaxsim.ops.winograd import (
    tile_count,
    winograd_3x3,
    winograd_3x3_kernel_gradient,
)

# With fewer tiles or channels, changing the basis costs more than it saves.
WINOGRAD_TILES = 64
WINOGRAD_CHANNELS = 32
# Fewer pixels in one expression are not compiled to vector instructions.
PIXELS = 28

Padding = tuple[tuple[int, int], tuple[int, int]]


def convolution(
    x: Float[Array, "B H W Cin"],
    kernel: Float[Array, "kh kw Cgroup Cout"],
    *,
    stride: int = 1,
    padding: Padding,
    groups: int = 1,
) -> Float[Array, "B Hout Wout Cout"]:
    """Correlates images with a kernel, in the way that suits the platform.

    Args:
      x: float [B, H, W, Cin].
      kernel: float [kh, kw, Cin / groups, Cout], of the dtype of `x`.
      stride: step in rows and columns, >= 1.
      padding: zeros (before, after) the rows and (before, after) the columns.
      groups: how many equal parts the channels are split into; Cin for a depthwise
        convolution.

    Returns:
      float [B, Hout, Wout, Cout] of the dtype of `x`, sums taken in float32, with
      Hout = (H + before + after - kh) // stride + 1; platforms agree to 1e-4 of the
      largest output where `jax.default_matmul_precision("highest")` holds; by default
      GPUs and TPUs multiply float32 in fewer bits.

    Raises:
      InputError: shapes, dtypes, groups, stride and padding do not fit each other.
    """
    _check(x, kernel, stride, padding, groups)
    native = partial(_native, stride=stride, padding=padding, groups=groups)
    if groups > 1 and groups == x.shape[3] == kernel.shape[3]:
        on_cpu = partial(_depthwise, stride, padding)
    elif groups == 1 and kernel.shape[:2] == (1, 1) and padding == ((0, 0), (0, 0)):

        def on_cpu(x, kernel):
            return _pointwise(x[:, ::stride, ::stride], kernel)

    elif groups == 1 and stride == 1 and _winograd_pays(x, kernel, padding):
        on_cpu = partial(_winograd, padding)
    elif groups == 1 and kernel.shape[2] >= WINOGRAD_CHANNELS:
        on_cpu = partial(_dense, stride, padding)
    else:
        return native(x, kernel)
    return lax.platform_dependent(x, kernel, cpu=on_cpu, default=native)


def _check(x, kernel, stride: int, padding: Padding, groups: int) -> None:
    if x.ndim != 4 or kernel.ndim != 4:
        raise InputError(
            "a convolution needs images [B, H, W, Cin] and a kernel "
            f"[kh, kw, Cin / groups, Cout]; got {x.shape} and {kernel.shape}"
        )
    if x.dtype != kernel.dtype:
        raise InputError(
            f"images are {x.dtype} but the kernel is {kernel.dtype}; cast one of them"
        )
    if stride < 1 or min(min(pair) for pair in padding) < 0:
        raise InputError(
            f"stride must be >= 1 and padding >= 0; got {stride} and {padding}"
        )
    kh, kw, group_channels, out_channels = kernel.shape
    channels = x.shape[3]
    if groups < 1 or channels != groups * group_channels or out_channels % groups:
        raise InputError(
            f"{channels} channels in {groups} groups need a kernel "
            f"[kh, kw, {channels} / {groups}, a multiple of {groups}]; "
            f"got {kernel.shape}"
        )
    height, width = x.shape[1] + sum(padding[0]), x.shape[2] + sum(padding[1])
    if height < kh or width < kw:
        raise InputError(
            f"a {kh}x{kw} kernel does not fit a padded image of {height}x{width}; "
            "give larger images or more padding"
        )


def _native(x, kernel, *, stride: int, padding: Padding, groups: int):
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )


@jax.custom_vjp
def _pointwise(x, kernel):
    return jnp.einsum("bhwi,io->bhwo", x, kernel[0, 0])


def _pointwise_forward(x, kernel):
    return _pointwise(x, kernel), (x, kernel)


def _pointwise_backward(residuals, gradient):
    x, kernel = residuals
    of_x = jnp.einsum("bhwo,io->bhwi", gradient, kernel[0, 0])
    of_kernel = _products(x, gradient).reshape(kernel.shape)
    return of_x, of_kernel.astype(kernel.dtype)


_pointwise.defvjp(_pointwise_forward, _pointwise_backward)


def _products(x, gradient):
    """Sums x[..., i] * gradient[..., o] over all pixels: float32 [Cin, Cout].

    The matrix of fewer channels is the one to transpose. XLA prefers the left one, and
    would swap the factors for a result that is transposed if the barrier did not hide
    that.
    """
    x, gradient = (a.reshape(-1, a.shape[3]) for a in (x, gradient))
    swap = x.shape[1] > gradient.shape[1]
    left, right = (gradient, x) if swap else (x, gradient)
    over_pixels = (((0,), (0,)), ((), ()))
    sums = lax.dot_general(left, right, over_pixels, preferred_element_type=jnp.float32)
    return lax.optimization_barrier(sums).T if swap else sums


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _dense(stride: int, padding: Padding, x, kernel):
    return _native(x, kernel, stride=stride, padding=padding, groups=1)


def _dense_forward(stride: int, padding: Padding, x, kernel):
    return _dense(stride, padding, x, kernel), (x, kernel)


def _dense_backward(stride: int, padding: Padding, residuals, gradient):
    x, kernel = residuals
    native = partial(_native, stride=stride, padding=padding, groups=1)
    of_x = jax.vjp(lambda x: native(x, kernel), x)[1](gradient)[0]
    padded, size = _pad(x, padding), gradient.shape[1:3]
    taps = [
        _products(_shift(padded, i, j, size, stride), gradient)
        for i in range(kernel.shape[0])
        for j in range(kernel.shape[1])
    ]
    return of_x, jnp.stack(taps).reshape(kernel.shape).astype(kernel.dtype)


_dense.defvjp(_dense_forward, _dense_backward)


def _winograd_pays(x, kernel, padding: Padding) -> bool:
    if kernel.shape[:2] != (3, 3) or x.dtype != jnp.float32:
        return False
    if max(max(pair) for pair in padding) > 2:
        return False  # The gradient would have negative padding.
    rows, columns = (
        tile_count(n + sum(p) - 2) for n, p in zip(x.shape[1:3], padding, strict=True)
    )
    # An exported program runs on batches of any size, of which one is the smallest.
    batch = x.shape[0] if isinstance(x.shape[0], int) else 1
    enough_tiles = batch * rows * columns >= WINOGRAD_TILES
    return enough_tiles and min(kernel.shape[2:]) >= WINOGRAD_CHANNELS


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _winograd(padding: Padding, x, kernel):
    return winograd_3x3(x, kernel, padding=padding)


def _winograd_forward(padding: Padding, x, kernel):
    return _winograd(padding, x, kernel), (x, kernel)


def _winograd_backward(padding: Padding, residuals, gradient):
    x, kernel = residuals
    (top, bottom), (left, right) = padding
    of_x = winograd_3x3(
        gradient,
        kernel[::-1, ::-1].swapaxes(2, 3),
        padding=((2 - top, 2 - bottom), (2 - left, 2 - right)),
    )
    return of_x, winograd_3x3_kernel_gradient(x, gradient, padding=padding)


_winograd.defvjp(_winograd_forward, _winograd_backward)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _depthwise(stride: int, padding: Padding, x, kernel):
    return _shifted_sum(stride, _pad(x, padding), kernel)


def _shifted_sum(stride: int, padded, kernel):
    """Sums the products of shifted images and kernel taps."""
    kh, kw = kernel.shape[:2]
    taps = kernel[:, :, 0].astype(jnp.float32)
    size = [
        (n - k) // stride + 1 for n, k in zip(padded.shape[1:3], (kh, kw), strict=True)
    ]
    total = jnp.zeros((), jnp.float32)
    for i in range(kh):
        for j in range(kw):
            shifted = _shift(padded, i, j, size, stride).astype(jnp.float32)
            total = total + shifted * taps[None, None, None, i, j]
    return total.astype(padded.dtype)


def _depthwise_forward(stride: int, padding: Padding, x, kernel):
    # What a loop returns is stored. Without one, XLA would compute the layer again
    # where the gradient of the activation after it asks for its sign.
    layer: Callable = partial(_depthwise, stride, padding)
    y = lax.map(lambda image: layer(image[None], kernel)[0], x)
    return y, (x, kernel)


def _depthwise_backward(stride: int, padding: Padding, residuals, gradient):
    x, kernel = residuals
    return (
        _input_gradient(stride, padding, x.shape, kernel, gradient),
        _kernel_gradient(stride, _pad(x, padding), kernel, gradient),
    )


_depthwise.defvjp(_depthwise_forward, _depthwise_backward)


def _input_gradient(stride: int, padding: Padding, shape, kernel, gradient):
    """The same sum over the gradient, spread out by the stride, with taps reversed."""
    config = [(0, 0, 0)]
    for axis in (0, 1):
        low = kernel.shape[axis] - 1 - padding[axis][0]
        spread = (gradient.shape[axis + 1] - 1) * stride + 1
        high = shape[axis + 1] + padding[axis][0] - spread
        config.append((low, high, stride - 1))
    spread = lax.pad(gradient, jnp.zeros((), gradient.dtype), (*config, (0, 0, 0)))
    return _shifted_sum(1, spread, kernel[::-1, ::-1])


def _kernel_gradient(stride: int, padded, kernel, gradient):
    """Adds some pixels of the gradient at a time, each times the window it meets.

    All of them in one expression, the sums stay in registers. Their number is bounded,
    as the time to compile them is: heights without a suitable divisor grow by rows of
    zeros.
    """
    kh, kw = kernel.shape[:2]
    batch, height, width, channels = gradient.shape
    fewest = min(-(-PIXELS // width), height)
    rows = next(
        (n for n in range(fewest, 2 * fewest + 1) if height % n == 0),
        fewest,
    )
    blocks = -(-height // rows)
    reach = (rows - 1) * stride + kh
    if extra := blocks * rows - height:
        gradient = jnp.pad(gradient, ((0, 0), (0, extra), (0, 0), (0, 0)))
        padded = jnp.pad(padded, ((0, 0), (0, extra * stride), (0, 0), (0, 0)))

    def add_block(number, total):
        image, first = number // blocks, number % blocks * rows
        x = lax.dynamic_slice(
            padded,
            (image, first * stride, 0, 0),
            (1, reach, padded.shape[2], channels),
        )[0].astype(jnp.float32)
        g = lax.dynamic_slice(
            gradient, (image, first, 0, 0), (1, rows, width, channels)
        )[0].astype(jnp.float32)
        for i in range(rows):
            for j in range(width):
                window = x[i * stride : i * stride + kh, j * stride : j * stride + kw]
                total = total + window * g[i, j][None, None]
        return total

    zero = jnp.zeros((kh, kw, channels), jnp.float32)
    total = lax.fori_loop(0, batch * blocks, add_block, zero)
    return total.reshape(kernel.shape).astype(kernel.dtype)


def _pad(x, padding: Padding):
    return jnp.pad(x, ((0, 0), *padding, (0, 0)))


def _shift(padded, i: int, j: int, size, stride: int):
    """The pixels that tap (i, j) of the kernel meets."""
    height, width = ((n - 1) * stride + 1 for n in size)
    return padded[:, i : i + height : stride, j : j + width : stride]
