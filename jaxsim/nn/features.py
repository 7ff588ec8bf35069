"""What a backbone returns: a feature map and how much of it is image."""

import flax.struct
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int32


class Features(flax.struct.PyTreeNode):
    """A batch of feature maps whose images may fill only their top-left corners.

    Attributes:
      map: float [B, H, W, C]. Values outside the valid part are unspecified.
      valid: int32 [B, 2], height and width of the valid part, in cells of the map;
        None means that every image fills its map.
    """

    map: Float[Array, "B H W C"]
    valid: Int32[Array, "B 2"] | None = None

    def sizes(self) -> Int32[Array, "B 2"]:
        """Returns the height and width of each image, in cells of the map."""
        batch, height, width, _ = self.map.shape
        if self.valid is None:
            return jnp.broadcast_to(jnp.array([[height, width]], jnp.int32), (batch, 2))
        return self.valid

    def mask(self) -> Bool[Array, "B H W"]:
        """Returns True on the cells that belong to the image."""
        batch, height, width, _ = self.map.shape
        if self.valid is None:
            return jnp.ones((batch, height, width), bool)
        rows = jnp.arange(height)[None, :, None] < self.valid[:, 0, None, None]
        columns = jnp.arange(width)[None, None, :] < self.valid[:, 1, None, None]
        return rows & columns

    def masked_map(self) -> Float[Array, "B H W C"]:
        """Returns the map with zeros outside the valid part.

        Applied before every convolution that looks at neighbours, it makes padding
        behave as the border of the image does, so that descriptors do not depend on it.
        """
        if self.valid is None:
            return self.map
        return jnp.where(self.mask()[..., None], self.map, 0)
