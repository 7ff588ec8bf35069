"""A small convolutional network, trained from nothing."""

from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float, Int32

from jaxsim.nn.backbones.layers import ConvNorm
from jaxsim.nn.backbones.vgg import halve
from jaxsim.nn.features import Features

CHANNELS = (32, 64)


class ConvNet(nn.Module):
    """Two unpadded convolutions of 5x5 with ReLU, each followed by 2x2 maxima.

    It has no batch norm: `folded` and `train` are accepted, as by every backbone, and
    change nothing.

    Attributes:
      folded: without effect.
      dtype: of the maps; parameters are float32.

    Source: the siamese and triplet networks of adambielski/siamese-triplet, with ReLU.
    """

    folded: bool = False
    dtype: DTypeLike = jnp.float32

    # Of the batch norm that is not there, for `fold_batch_norm`.
    epsilon: ClassVar[float] = 1e-5
    last_stage: ClassVar[str] = "stage2"

    @nn.compact
    def __call__(
        self,
        images: Float[Array, "B H W 3"],
        valid: Int32[Array, "B 2"] | None = None,
        *,
        train: bool = False,
    ) -> dict[str, Features]:
        """Computes both feature stages.

        Args:
          images: float [B, H, W, 3], normalised RGB, H and W >= 16.
          valid: int32 [B, 2], height and width of each image; None if all fill
            their slots.
          train: without effect.

        Returns:
          "stage1" (stride 2) and "stage2" (stride 4), after their pooling.
        """
        x = Features(images.astype(self.dtype), valid)
        stages = {}
        for stage, channels in enumerate(CHANNELS, start=1):
            conv = ConvNorm(
                channels,
                kernel=5,
                activation=jax.nn.relu,
                folded=True,
                name=f"stage{stage}_conv",
            )
            x = halve(conv(x))
            stages[f"stage{stage}"] = x
        return stages

    @property
    def stage_channels(self) -> dict[str, int]:
        """Channels of each stage."""
        return {f"stage{i}": c for i, c in enumerate(CHANNELS, start=1)}

    @property
    def stage_strides(self) -> dict[str, int]:
        """Pixels from one cell of each stage to the next."""
        return {"stage1": 2, "stage2": 4}
