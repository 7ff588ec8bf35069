"""An image classifier: backbone, average of its last stage, one dense layer."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32, UInt8

from jaxsim.ops.normalise import normalise_pixels
from jaxsim.ops.pooling import spoc


class ImageClassifier(nn.Module):
    """Class scores as the backbones' ImageNet weights compute them.

    EfficientNet-Lite and ResNet were trained with this head; VGG16 was not.

    Attributes:
      backbone: maps (images, valid) to named stages, such as `EfficientNetLite`.
      mean: per channel, subtracted from pixels, in 0..255 units.
      std: per channel, divides pixels, in 0..255 units.
      num_classes: size of the output.
    """

    backbone: nn.Module
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    num_classes: int = 1000

    @nn.compact
    def __call__(
        self,
        images: UInt8[Array, "B H W 3"],
        valid: Int32[Array, "B 2"] | None = None,
        *,
        train: bool = False,
    ) -> Float[Array, "B num_classes"]:
        """Classifies images.

        Args:
          images: uint8 RGB [B, H, W, 3].
          valid: int32 [B, 2], height and width of each image; None if all fill
            their slots.
          train: passed to the backbone.

        Returns:
          float32 [B, num_classes], logits.
        """
        pixels = normalise_pixels(images, mean=self.mean, std=self.std)
        features = self.backbone(pixels, valid, train=train)[self.backbone.last_stage]
        vectors = spoc(features.map.astype(jnp.float32), features.mask())
        return nn.Dense(self.num_classes, name="classifier")(vectors)
