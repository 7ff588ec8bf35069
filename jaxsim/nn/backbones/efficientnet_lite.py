"""EfficientNet-Lite: mobile networks without squeeze-and-excitation."""

import math
from collections.abc import Callable
from functools import partial
from typing import ClassVar, Literal, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int32

from jaxsim.nn.backbones.layers import ConvNorm, Norm
from jaxsim.nn.features import Features

Variant = Literal["lite0", "lite1", "lite2"]


class Block(NamedTuple):
    """Sizes of one inverted residual block."""

    kernel: int
    channels: int
    stride: int
    expansion: int


# Blocks of lite0 and how often each is repeated; repeats have stride 1.
GROUPS = (
    (1, Block(kernel=3, channels=16, stride=1, expansion=1)),
    (2, Block(kernel=3, channels=24, stride=2, expansion=6)),
    (2, Block(kernel=5, channels=40, stride=2, expansion=6)),
    (3, Block(kernel=3, channels=80, stride=2, expansion=6)),
    (3, Block(kernel=5, channels=112, stride=1, expansion=6)),
    (4, Block(kernel=5, channels=192, stride=2, expansion=6)),
    (1, Block(kernel=3, channels=320, stride=1, expansion=6)),
)
# Width and depth of each variant as multiples of lite0's.
COEFFICIENTS = {"lite0": (1.0, 1.0), "lite1": (1.0, 1.1), "lite2": (1.1, 1.2)}
STEM_CHANNELS = 32
HEAD_CHANNELS = 1280


def block_groups(variant: Variant) -> list[list[Block]]:
    """Returns the blocks of a variant, group by group."""
    width, depth = COEFFICIENTS[variant]
    groups = []
    for i, (repeats, first) in enumerate(GROUPS):
        if 0 < i < len(GROUPS) - 1:
            repeats = math.ceil(repeats * depth)
        first = first._replace(channels=round_channels(first.channels * width))
        groups.append([first] + [first._replace(stride=1)] * (repeats - 1))
    return groups


def blocks(variant: Variant) -> list[Block]:
    """Returns the blocks of a variant in order."""
    return [block for group in block_groups(variant) for block in group]


def round_channels(channels: float) -> int:
    """Rounds to a multiple of 8 that is not more than a tenth smaller."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8


def same_padding(kernel: int, stride: int) -> tuple[int, int]:
    """Returns TensorFlow's "SAME" for even sizes, as the weights were trained with.

    It is used at odd sizes too, where TensorFlow would shift its windows by a pixel: a
    layer of stride 2 makes floor(size / 2) cells, as the weights' own package does.
    """
    total = kernel - stride
    return total // 2, total - total // 2


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite0, 1 or 2 without its classifier.

    ImageNet weights expect pixels (x - 127) / 128.

    Attributes:
      variant: "lite0", "lite1" or "lite2".
      folded: batch norm is part of the convolutions; see `fold_batch_norm`.
      norm: "frozen" statistics in training, or those of the "batch".
      dtype: of the maps; parameters are float32.

    Source: Tan and Le 2019; Lite variants by R. Liu 2020: no squeeze-and-excitation,
    ReLU6 in place of swish, stem, head and the depth of the first and last group
    not scaled.
    """

    variant: Variant = "lite0"
    folded: bool = False
    norm: Norm = "frozen"
    dtype: DTypeLike = jnp.float32

    epsilon: ClassVar[float] = 1e-3
    last_stage: ClassVar[str] = "head"

    @nn.compact
    def __call__(
        self,
        images: Float[Array, "B H W 3"],
        valid: Int32[Array, "B 2"] | None = None,
        *,
        train: bool = False,
    ) -> dict[str, Features]:
        """Computes all feature stages.

        Args:
          images: float [B, H, W, 3], normalised RGB.
          valid: int32 [B, 2], height and width of each image; None if all fill
            their slots. What lies outside does not change the valid part of any stage.
          train: whether `norm="batch"` takes effect.

        Returns:
          "stage1" to "stage5", the ends of the levels of stride 2 to 32, and "head".
        """
        layer = partial(
            ConvNorm,
            folded=self.folded,
            norm=self.norm,
            epsilon=self.epsilon,
            momentum=0.99,
        )
        x = Features(images.astype(self.dtype), valid)
        stem = layer(
            STEM_CHANNELS,
            kernel=3,
            stride=2,
            padding=same_padding(3, 2),
            activation=jax.nn.relu6,
            name="stem",
        )
        x = stem(x, train=train)
        stages, level = {}, 1
        for number, block in enumerate(blocks(self.variant)):
            level += block.stride == 2
            x = InvertedResidual(block, layer, name=f"block{number}")(x, train=train)
            stages[f"stage{level}"] = x
        head = layer(HEAD_CHANNELS, activation=jax.nn.relu6, name="head")
        stages["head"] = head(x, train=train)
        return stages

    @property
    def stage_channels(self) -> dict[str, int]:
        """Channels of each stage."""
        channels, level = {}, 1
        for block in blocks(self.variant):
            level += block.stride == 2
            channels[f"stage{level}"] = block.channels
        return channels | {"head": HEAD_CHANNELS}

    @property
    def stage_strides(self) -> dict[str, int]:
        """Pixels from one cell of each stage to the next."""
        return {f"stage{i}": 2**i for i in range(1, 6)} | {"head": 32}


class InvertedResidual(nn.Module):
    """Widens by a 1x1 convolution, filters each channel, narrows without activation.

    Attributes:
      block: its sizes.
      layer: makes a `ConvNorm` with the network's settings.

    Source: Sandler et al. 2018.
    """

    block: Block
    layer: Callable[..., ConvNorm]

    @nn.compact
    def __call__(self, features: Features, *, train: bool) -> Features:
        """Maps features to features, with a shortcut where the shapes agree."""
        block, x = self.block, features
        entering = features.map.shape[-1]
        width = entering * block.expansion
        if block.expansion > 1:
            expand = self.layer(width, activation=jax.nn.relu6, name="expand")
            x = expand(x, train=train)
        depthwise = self.layer(
            width,
            kernel=block.kernel,
            stride=block.stride,
            padding=same_padding(block.kernel, block.stride),
            groups=width,
            activation=jax.nn.relu6,
            name="depthwise",
        )
        x = depthwise(x, train=train)
        x = self.layer(block.channels, name="project")(x, train=train)
        if block.stride == 1 and entering == block.channels:
            x = x.replace(map=x.map + features.map)
        return x
