"""An image classifier: backbone, average of its last stage, one dense layer."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32

from jaxsim.ops.pooling import spoc


class ImageClassifier(nn.Module):
    """Class scores as the backbones' ImageNet weights compute them.

    EfficientNet-Lite and ResNet were trained with this head; VGG16 was not.

    Attributes:
      backbone: maps (images, valid) to named stages, such as `EfficientNetLite`.
      num_classes: size of the output.
    """

    backbone: nn.Module
    num_classes: int = 1000

    @nn.compact
    def __call__(
        self,
        images: Float[Array, "B H W 3"],
        valid: Int32[Array, "B 2"] | None = None,
        *,
        train: bool = False,
    ) -> Float[Array, "B num_classes"]:
        """Classifies normalised images.

        Args:
          images: float [B, H, W, 3], normalised as the backbone expects.
          valid: int32 [B, 2], height and width of each image; None if all fill
            their slots.
          train: passed to the backbone.

        Returns:
          float32 [B, num_classes], logits.
        """
        features = self.backbone(images, valid, train=train)[self.backbone.last_stage]
        vectors = spoc(features.map.astype(jnp.float32), features.mask())
        return nn.Dense(self.num_classes, name="classifier")(vectors)
