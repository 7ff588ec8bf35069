"""An image descriptor: pixels to one unit vector."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, UInt8

from jaxsim.nn.features import Features
from jaxsim.nn.pooling import Whiten
from jaxsim.nn.region_proposals import Proposals, ScoredAnchors
from jaxsim.ops.normalise import l2_normalise, normalise_pixels


class Descriptor(nn.Module):
    """Backbone, pooling and optional whitening of the whole vector.

    Attributes:
      backbone: maps (images, valid) to named stages, such as `EfficientNetLite`.
      pooling: maps one stage to a vector, such as `Rmac`.
      mean: per channel, subtracted from pixels, in 0..255 units.
      std: per channel, divides pixels, in 0..255 units.
      stage: the stage to pool; None takes the backbone's last.
      whiten_dim: size of the whitened descriptor; None does not whiten.
      unit_before_whitening: scale descriptors to length 1 before they are whitened, as
        all but dirtorch's networks do.
      unit: scale descriptors to length 1. Without it they are compared by distance,
        and cannot be whitened or searched by cosine.
    """

    backbone: nn.Module
    pooling: nn.Module
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    stage: str | None = None
    whiten_dim: int | None = None
    unit_before_whitening: bool = True
    unit: bool = True

    def setup(self):
        """Declares the whitening layer, if there is one."""
        self.whiten = None if self.whiten_dim is None else Whiten(self.whiten_dim)

    def features(
        self,
        images: UInt8[Array, "B H W 3"],
        valid: Int32[Array, "B 2"] | None = None,
        *,
        train: bool = False,
    ) -> Features:
        """Returns the feature map that is pooled, in float32."""
        pixels = normalise_pixels(images, mean=self.mean, std=self.std)
        stages = self.backbone(pixels, valid, train=train)
        features = stages[self.stage or self.backbone.last_stage]
        return features.replace(map=features.map.astype(jnp.float32))

    def regions(
        self, images: UInt8[Array, "B H W 3"], valid: Int32[Array, "B 2"] | None = None
    ) -> tuple[Float[Array, "B R C"], Float[Array, "B R"]]:
        """Returns unwhitened region vectors [B, R, C] and 1 where one exists.

        Only for poolings with regions; region whitening is fitted on these.
        """
        return self.pooling.regions(self.features(images, valid))

    def score_anchors(
        self, images: UInt8[Array, "B H W 3"], valid: Int32[Array, "B 2"] | None = None
    ) -> ScoredAnchors:
        """Returns all anchors of the region proposals, in pixels.

        Only for poolings that propose regions; the proposals are trained by these.
        """
        features = self.features(images, valid)
        scored = self.pooling.score_anchors(features)
        scale = _pixels_per_cell(features, images, valid)
        return scored._replace(boxes=scored.boxes * scale)

    def propose(
        self, images: UInt8[Array, "B H W 3"], valid: Int32[Array, "B 2"] | None = None
    ) -> Proposals:
        """Returns the proposed boxes, in pixels.

        Only for poolings that propose regions.
        """
        features = self.features(images, valid)
        proposals = self.pooling.propose(features)
        scale = _pixels_per_cell(features, images, valid)
        return proposals._replace(boxes=proposals.boxes * scale)

    def unscaled(
        self,
        images: UInt8[Array, "B H W 3"],
        valid: Int32[Array, "B 2"] | None = None,
        *,
        train: bool = False,
    ) -> Float[Array, "B C"]:
        """Returns the pooled vector before it is normalised or whitened."""
        return self.pooling(self.features(images, valid, train=train))

    def pooled(
        self, images: UInt8[Array, "B H W 3"], valid: Int32[Array, "B 2"] | None = None
    ) -> Float[Array, "B C"]:
        """Returns the normalised descriptor before whitening of the whole vector."""
        return l2_normalise(self.unscaled(images, valid))

    def __call__(
        self,
        images: UInt8[Array, "B H W 3"],
        valid: Int32[Array, "B 2"] | None = None,
        *,
        train: bool = False,
    ) -> Float[Array, "B D"]:
        """Describes a batch of images.

        Args:
          images: uint8 RGB [B, H, W, 3], each in the top-left corner of its slot.
          valid: int32 [B, 2], height and width of each image in pixels; None means
            that all fill their slots. What lies outside has no influence.
          train: passed to the backbone.

        Returns:
          float32 [B, D], rows of length 1 unless `unit` is off.
        """
        vectors = self.unscaled(images, valid, train=train)
        if not self.unit:
            return vectors
        if self.whiten is None:
            return l2_normalise(vectors)
        if self.unit_before_whitening:
            vectors = l2_normalise(vectors)
        return l2_normalise(self.whiten(vectors))


def _pixels_per_cell(
    features: Features,
    images: UInt8[Array, "B H W 3"],
    valid: Int32[Array, "B 2"] | None,
) -> Float[Array, "B 1 4"]:
    """Returns what boxes in cells are multiplied by."""
    cells = features.sizes()
    full = jnp.array([images.shape[1:3]], jnp.int32)
    pixels = jnp.broadcast_to(full, cells.shape) if valid is None else valid
    scale = pixels.astype(jnp.float32) / cells.astype(jnp.float32)
    return jnp.concatenate([scale, scale], axis=1)[:, None]
