"""One convolution, lowered for the platform it runs on.

GPU and TPU want XLA's own convolution. On CPU the kinds that image networks are made of
are faster when written out: depthwise kernels as a sum of shifted products (8 to 25
times faster than the grouped convolution), 1x1 kernels as a matrix product, and dense
3x3 kernels by Winograd's algorithm (about twice as fast on large maps).
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from jaxsim.core.errors import InputError
from jaxsim.ops.winograd import tile_count, winograd_3x3

# With fewer tiles or channels, changing the basis costs more than it saves.
WINOGRAD_TILES = 64
WINOGRAD_CHANNELS = 32

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
      largest output.

    Raises:
      InputError: shapes, dtypes, groups, stride and padding do not fit each other.
    """
    _check(x, kernel, stride, padding, groups)
    native = partial(_native, stride=stride, padding=padding, groups=groups)
    if groups > 1 and groups == x.shape[3] == kernel.shape[3]:
        on_cpu = partial(_depthwise, stride, padding)
    elif groups == 1 and kernel.shape[:2] == (1, 1) and padding == ((0, 0), (0, 0)):
        on_cpu = partial(_pointwise, stride=stride)
    elif groups == 1 and stride == 1 and _winograd_pays(x, kernel, padding):
        on_cpu = partial(_winograd, padding)
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


def _pointwise(x, kernel, *, stride: int):
    return jnp.einsum("bhwi,io->bhwo", x[:, ::stride, ::stride], kernel[0, 0])


def _winograd_pays(x, kernel, padding: Padding) -> bool:
    if kernel.shape[:2] != (3, 3) or x.dtype != jnp.float32:
        return False
    rows, columns = (
        tile_count(n + sum(p) - 2) for n, p in zip(x.shape[1:3], padding, strict=True)
    )
    enough_tiles = x.shape[0] * rows * columns >= WINOGRAD_TILES
    return enough_tiles and min(kernel.shape[2:]) >= WINOGRAD_CHANNELS


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _winograd(padding: Padding, x, kernel):
    return winograd_3x3(x, kernel, padding=padding)


def _winograd_forward(padding: Padding, x, kernel):
    return _winograd(padding, x, kernel), (x, kernel)


def _winograd_backward(padding: Padding, residuals, gradient):
    native = partial(_native, stride=1, padding=padding, groups=1)
    return jax.vjp(native, *residuals)[1](gradient)


_winograd.defvjp(_winograd_forward, _winograd_backward)


@partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _depthwise(stride: int, padding: Padding, x, kernel):
    """Sums the products of shifted images and kernel taps."""
    padded = _pad(x, padding)
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
    return total.astype(x.dtype)


def _depthwise_forward(stride: int, padding: Padding, x, kernel):
    return _depthwise(stride, padding, x, kernel), (x, kernel)


def _depthwise_backward(stride: int, padding: Padding, residuals, gradient):
    x, kernel = residuals
    return (
        _input_gradient(stride, padding, x.shape, kernel, gradient),
        _kernel_gradient(stride, padding, x, kernel, gradient),
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
    return _depthwise(1, ((0, 0), (0, 0)), spread, kernel[::-1, ::-1])


def _kernel_gradient(stride: int, padding: Padding, x, kernel, gradient):
    """Reduces image by image, so that what each tap reads stays in the cache."""
    kh, kw = kernel.shape[:2]
    size = gradient.shape[1:3]

    def add_image(total, pair):
        image, g = (a[None].astype(jnp.float32) for a in pair)
        padded = _pad(image, padding)
        taps = [
            jnp.sum(_shift(padded, i, j, size, stride) * g, axis=(0, 1, 2))
            for i in range(kh)
            for j in range(kw)
        ]
        return total + jnp.stack(taps).reshape(kernel.shape), None

    zero = jnp.zeros(kernel.shape, jnp.float32)
    return lax.scan(add_image, zero, (x, gradient))[0].astype(kernel.dtype)


def _pad(x, padding: Padding):
    return jnp.pad(x, ((0, 0), *padding, (0, 0)))


def _shift(padded, i: int, j: int, size, stride: int):
    """The pixels that tap (i, j) of the kernel meets."""
    height, width = ((n - 1) * stride + 1 for n in size)
    return padded[:, i : i + height : stride, j : j + width : stride]
