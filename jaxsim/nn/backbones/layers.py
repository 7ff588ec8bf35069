"""The layer all backbones are made of: convolution, batch norm, activation.

Padding is anchored: what a convolution puts before the first row depends only on its
kernel and stride, never on the image's size. With the map set to zero outside the image
first, an image in the corner of a larger slot meets the same numbers as one alone.
"""

from collections.abc import Callable
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int32

from jaxsim.nn.features import Features
from jaxsim.ops.convolution import convolution

Norm = Literal["frozen", "batch"]


def remaining(
    valid: Int32[Array, "B 2"] | None,
    *,
    kernel: int,
    stride: int,
    padding: tuple[int, int],
) -> Int32[Array, "B 2"] | None:
    """Returns how many cells a layer makes of the valid ones."""
    return None if valid is None else (valid + sum(padding) - kernel) // stride + 1


def max_pool(features: Features, *, window: int, stride: int, low: int) -> Features:
    """Takes maxima over windows of non-negative maps.

    Args:
      features: maps whose values are >= 0, as after a ReLU.
      window: side of the square window.
      stride: step between windows.
      low: cells of padding before the first row and column; `window - 1 - low` follow
        the last.
    """
    pad = (low, window - 1 - low)
    maxima = jax.lax.reduce_window(
        features.masked_map(),
        -jnp.inf,
        jax.lax.max,
        (1, window, window, 1),
        (1, stride, stride, 1),
        ((0, 0), pad, pad, (0, 0)),
    )
    return Features(
        maxima, remaining(features.valid, kernel=window, stride=stride, padding=pad)
    )


class Conv(nn.Module):
    """A convolution's parameters, held in float32 and used in the map's dtype."""

    channels: int
    kernel: int
    stride: int
    padding: tuple[int, int]
    groups: int
    use_bias: bool

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "B H W Cin"],
        factor: Float[Array, " C"] | None = None,
    ) -> Float[Array, "B Hout Wout C"]:
        """Convolves a map whose outside is zero.

        Args:
          x: float [B, H, W, Cin].
          factor: float32 [C], multiplies each channel of the output.
        """
        shape = (self.kernel, self.kernel, x.shape[-1] // self.groups, self.channels)
        kernel = self.param("kernel", nn.initializers.he_normal(), shape)
        if factor is not None:
            kernel = kernel * factor[None, None, None]
        y = convolution(
            x,
            kernel.astype(x.dtype),
            stride=self.stride,
            padding=(self.padding, self.padding),
            groups=self.groups,
        )
        if self.use_bias:
            bias = self.param("bias", nn.initializers.zeros, (self.channels,))
            y = _shifted(y, bias)
        return y


class BatchNorm(nn.Module):
    """Normalises each channel by stored statistics, or by those of the batch.

    Source: Ioffe and Szegedy 2015, algorithm 1.
    """

    channels: int
    epsilon: float
    momentum: float

    def setup(self) -> None:
        """Makes a scale, a bias and stored statistics for each channel."""
        shape = (self.channels,)
        self.scale = self.param("scale", nn.initializers.ones, shape)
        self.bias = self.param("bias", nn.initializers.zeros, shape)
        self.mean = self.variable("batch_stats", "mean", jnp.zeros, shape)
        self.var = self.variable("batch_stats", "var", jnp.ones, shape)

    def frozen(self) -> tuple[Float[Array, " C"], Float[Array, " C"]]:
        """Returns the factor and the shift of each channel by stored statistics."""
        return self._affine(self.mean.value, self.var.value)

    def live(
        self, x: Float[Array, "B H W C"], mask: Bool[Array, "B H W"] | None
    ) -> Float[Array, "B H W C"]:
        """Normalises a map in float32 by its own statistics.

        Where "batch_stats" is mutable, the stored statistics move towards them.

        Args:
          x: float [B, H, W, C].
          mask: bool [B, H, W], the cells that count; None counts all.
        """
        mean, var = moments(x, mask)
        if self.is_mutable_collection("batch_stats") and not self.is_initializing():
            for stored, new in ((self.mean, mean), (self.var, var)):
                stored.value += (1 - self.momentum) * (new - stored.value)
        factor, shift = self._affine(mean, var)
        y = x.astype(jnp.float32) * factor[None, None, None] + shift[None, None, None]
        return y.astype(x.dtype)

    def _affine(self, mean, var):
        factor = self.scale * jax.lax.rsqrt(var + self.epsilon)
        return factor, self.bias - mean * factor


def moments(
    x: Float[Array, "B H W C"], mask: Bool[Array, "B H W"] | None
) -> tuple[Float[Array, " C"], Float[Array, " C"]]:
    """Returns mean and variance of each channel over the cells that count."""
    x = x.astype(jnp.float32)
    weights = jnp.ones(x.shape[:3]) if mask is None else mask.astype(jnp.float32)
    count = jnp.maximum(jnp.sum(weights), 1)
    mean = jnp.sum(x * weights[..., None], axis=(0, 1, 2)) / count
    squares = jnp.square(x - mean[None, None, None]) * weights[..., None]
    return mean, jnp.sum(squares, axis=(0, 1, 2)) / count


class ConvNorm(nn.Module):
    """Convolution, batch norm and activation of a feature map.

    Attributes:
      channels: of the output.
      kernel: side of the square kernel.
      stride: step between outputs.
      padding: zeros before the first and after the last row and column.
      groups: equal parts of the channels; the input's channels for a depthwise layer.
      activation: applied last; None for a linear layer.
      folded: the layer has a bias and no batch norm.
      norm: "frozen" uses stored statistics even in training; "batch" trains with those
        of the batch, where padding does not count.
      epsilon: added to variances.
      momentum: share of the stored statistics that stays at each training step.
    """

    channels: int
    kernel: int = 1
    stride: int = 1
    padding: tuple[int, int] = (0, 0)
    groups: int = 1
    activation: Callable[[jax.Array], jax.Array] | None = None
    folded: bool = False
    norm: Norm = "frozen"
    epsilon: float = 1e-5
    momentum: float = 0.9

    @nn.compact
    def __call__(self, features: Features, *, train: bool = False) -> Features:
        """Maps features to features; only wider kernels pay for masking."""
        x = features.masked_map() if self.kernel > 1 else features.map
        conv = Conv(
            channels=self.channels,
            kernel=self.kernel,
            stride=self.stride,
            padding=self.padding,
            groups=self.groups,
            use_bias=self.folded,
            name="conv",
        )
        valid = remaining(
            features.valid,
            kernel=self.kernel,
            stride=self.stride,
            padding=self.padding,
        )
        if self.folded:
            out = Features(conv(x), valid)
        else:
            out = self._normalised(conv, x, valid, live=train and self.norm == "batch")
        if self.activation is not None:
            out = out.replace(map=self.activation(out.map))
        return out

    def _normalised(self, conv: Conv, x, valid, *, live: bool) -> Features:
        norm = BatchNorm(self.channels, self.epsilon, self.momentum, name="norm")
        if live:
            out = Features(conv(x), valid)
            mask = None if valid is None else out.mask()
            return out.replace(map=norm.live(out.map, mask))
        # The map before normalisation is then neither stored nor read in training.
        factor, shift = norm.frozen()
        return Features(_shifted(conv(x, factor), shift), valid)


def _shifted(
    x: Float[Array, "B H W C"], shift: Float[Array, " C"]
) -> Float[Array, "B H W C"]:
    """Adds a number to each channel in float32.

    The gradient of the shift is a sum over the whole map, in which bfloat16 would lose
    most terms.
    """
    return (x.astype(jnp.float32) + shift[None, None, None]).astype(x.dtype)
