"""ResNet-50 and ResNet-101."""

from collections.abc import Callable
from functools import partial
from typing import ClassVar, Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int32

from jaxsim.nn.backbones.layers import ConvNorm, Norm, max_pool
from jaxsim.nn.features import Features

Depth = Literal[50, 101]

# Blocks of stage2 to stage5.
REPEATS: dict[Depth, tuple[int, int, int, int]] = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
STEM_CHANNELS = 64
EXPANSION = 4


class ResNet(nn.Module):
    """ResNet of bottleneck blocks without its classifier.

    ImageNet weights of torchvision expect RGB with mean (.485, .456, .406) and
    standard deviation (.229, .224, .225) of pixels in 0..1.

    Attributes:
      depth: 50 or 101.
      folded: batch norm is part of the convolutions; see `fold_batch_norm`.
      norm: "frozen" statistics in training, or those of the "batch".
      dtype: of the maps; parameters are float32.

    Source: He et al. 2016, with the stride in the 3x3 convolution as in torchvision.
    """

    depth: Depth = 50
    folded: bool = False
    norm: Norm = "frozen"
    dtype: DTypeLike = jnp.float32

    epsilon: ClassVar[float] = 1e-5
    last_stage: ClassVar[str] = "stage5"

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
          "stage1", the stem before its pooling (stride 2), to "stage5" (stride 32).
        """
        layer = partial(
            ConvNorm, folded=self.folded, norm=self.norm, epsilon=self.epsilon
        )
        x = Features(images.astype(self.dtype), valid)
        stem = layer(
            STEM_CHANNELS,
            kernel=7,
            stride=2,
            padding=(3, 3),
            activation=jax.nn.relu,
            name="stem",
        )
        x = stem(x, train=train)
        stages = {"stage1": x}
        x = max_pool(x, window=3, stride=2, low=1)
        for stage, repeats in enumerate(REPEATS[self.depth], start=2):
            for number in range(repeats):
                block = Bottleneck(
                    width=STEM_CHANNELS * 2 ** (stage - 2),
                    stride=2 if stage > 2 and number == 0 else 1,
                    layer=layer,
                    name=f"stage{stage}_block{number}",
                )
                x = block(x, train=train)
            stages[f"stage{stage}"] = x
        return stages

    @property
    def stage_channels(self) -> dict[str, int]:
        """Channels of each stage."""
        wide = {
            f"stage{i}": STEM_CHANNELS * EXPANSION * 2 ** (i - 2) for i in range(2, 6)
        }
        return {"stage1": STEM_CHANNELS} | wide

    @property
    def stage_strides(self) -> dict[str, int]:
        """Pixels from one cell of each stage to the next."""
        return {f"stage{i}": 2**i for i in range(1, 6)}


class Bottleneck(nn.Module):
    """Narrows, filters and widens again, beside a shortcut.

    Attributes:
      width: channels of the 3x3 convolution.
      stride: of the 3x3 convolution.
      layer: makes a `ConvNorm` with the network's settings.
    """

    width: int
    stride: int
    layer: Callable[..., ConvNorm]

    @nn.compact
    def __call__(self, features: Features, *, train: bool) -> Features:
        """Maps features to features of `4 * width` channels."""
        relu, channels = jax.nn.relu, EXPANSION * self.width
        reduce = self.layer(self.width, activation=relu, name="reduce")
        spatial = self.layer(
            self.width,
            kernel=3,
            stride=self.stride,
            padding=(1, 1),
            activation=relu,
            name="spatial",
        )
        expand = self.layer(channels, name="expand")
        x = reduce(features, train=train)
        x = expand(spatial(x, train=train), train=train)
        shortcut = features
        if features.map.shape[-1] != channels:
            project = self.layer(channels, stride=self.stride, name="shortcut")
            shortcut = project(features, train=train)
        return x.replace(map=relu(x.map + shortcut.map))
