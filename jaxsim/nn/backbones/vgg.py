"""VGG16's convolutions."""

from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int32

from jaxsim.nn.backbones.layers import ConvNorm
from jaxsim.nn.features import Features

# Convolutions before each pooling, and their channels.
STAGES = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))


class VGG16(nn.Module):
    """VGG16 up to its fifth pooling, without the fully connected layers.

    It has no batch norm: `folded` and `train` are accepted, as by every backbone, and
    change nothing.

    Attributes:
      folded: without effect.
      dtype: of the maps; parameters are float32.

    Source: Simonyan and Zisserman 2015, configuration D.
    """

    folded: bool = False
    dtype: DTypeLike = jnp.float32

    # Of the batch norm that is not there, for `fold_batch_norm`.
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
          images: float [B, H, W, 3], normalised RGB, H and W >= 32.
          valid: int32 [B, 2], height and width of each image; None if all fill
            their slots. What lies outside does not change the valid part of any stage.
          train: without effect.

        Returns:
          "stage1" to "stage5", each after its pooling (strides 2 to 32), and "conv5",
          the last convolution before the fifth pooling (stride 16).
        """
        x = Features(images.astype(self.dtype), valid)
        stages = {}
        for stage, (repeats, channels) in enumerate(STAGES, start=1):
            for number in range(1, repeats + 1):
                conv = ConvNorm(
                    channels,
                    kernel=3,
                    padding=(1, 1),
                    activation=jax.nn.relu,
                    folded=True,
                    name=f"stage{stage}_conv{number}",
                )
                x = conv(x)
            if stage == len(STAGES):
                stages["conv5"] = x
            x = halve(x)
            stages[f"stage{stage}"] = x
        return stages

    @property
    def stage_channels(self) -> dict[str, int]:
        """Channels of each stage."""
        stages = {f"stage{i}": c for i, (_, c) in enumerate(STAGES, start=1)}
        return stages | {"conv5": STAGES[-1][1]}

    @property
    def stage_strides(self) -> dict[str, int]:
        """Pixels from one cell of each stage to the next."""
        return {f"stage{i}": 2**i for i in range(1, 6)} | {"conv5": 16}


def halve(features: Features) -> Features:
    """Takes maxima over 2x2 windows, dropping an odd last row or column.

    A single row or column of an image in a larger slot stays one, so that narrow images
    keep a cell in every stage.
    """
    maxima = nn.max_pool(features.masked_map(), (2, 2), strides=(2, 2))
    valid = features.valid
    if valid is not None:
        valid = jnp.maximum(valid // 2, jnp.minimum(valid, 1))
    return Features(maxima, valid)
