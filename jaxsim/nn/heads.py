"""Dense layers on pooled maps and on descriptors."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxsim.nn.features import Features
from jaxsim.ops.normalise import l2_normalise


class FullyConnected(nn.Module):
    """Dense layers with ReLU between them, on all cells of a map: a pooling.

    They fix the size of the images, which must fill their slots.

    Attributes:
      dims: sizes of the layers; the last is the descriptor's.
      final_activation: a ReLU after the last layer too; such descriptors can collapse
        to zero.

    Source: the siamese and triplet networks of adambielski/siamese-triplet, with ReLU.
    """

    dims: tuple[int, ...] = (256, 256, 10)
    final_activation: bool = False

    @nn.compact
    def __call__(self, features: Features) -> Float[Array, "B D"]:
        """Maps a feature map to a vector; the result is not normalised."""
        x = features.masked_map().reshape(features.map.shape[0], -1)
        for number, dim in enumerate(self.dims, start=1):
            x = nn.Dense(dim, precision="highest", name=f"dense{number}")(x)
            if number < len(self.dims) or self.final_activation:
                x = nn.relu(x)
        return x


class CosineLayer(nn.Module):
    """Cosines of descriptors to one learned vector a label.

    Attributes:
      features: number of labels.
    """

    features: int

    @nn.compact
    def __call__(self, descriptors: Float[Array, "B D"]) -> Float[Array, "B L"]:
        """Returns cosines, float32 [B, features]."""
        shape = (self.features, descriptors.shape[-1])
        centres = self.param("centres", nn.initializers.normal(0.01), shape)
        unit, directions = l2_normalise(descriptors), l2_normalise(centres)
        return jnp.matmul(unit, directions.T, precision="highest")
