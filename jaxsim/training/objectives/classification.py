"""Descriptors trained by telling labels apart."""

from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxsim.core.errors import InputError, require_choice
from jaxsim.losses.cross_entropy import cross_entropy
from jaxsim.losses.margin_softmax import arcface_logits, cosface_logits
from jaxsim.nn.descriptor import Descriptor
from jaxsim.nn.heads import CosineLayer
from jaxsim.training.objectives.base import Batch, Metrics, Objective

Head = Literal["softmax", "arcface", "cosface"]
# Of the papers: radians for ArcFace, a difference of cosines for CosFace.
MARGINS = {"arcface": 0.5, "cosface": 0.35}


class ClassificationObjective(Objective):
    """A descriptor below a layer that scores every label of the training data.

    The batch is that of `DescriptorObjective`. The layer is left behind after training.

    Attributes:
      network: makes the descriptors.
      head: "softmax" scores the pooled vector, before it is normalised, by a dense
        layer; "arcface" and "cosface" score the unit descriptor by its cosines to one
        vector a label, with a margin.
      scale: of the cosines.
      margin: None takes the head's own, 0.5 (arcface, radians) or 0.35 (cosface).
      smoothing: share of each target that is spread over all labels.
      num_labels: size of the layer; set from the data by `for_labels`.

    Source: Deng et al. 2019 (ArcFace); Wang et al. 2018 (CosFace).
    """

    network: Descriptor
    head: Head = "softmax"
    scale: float = 64.0
    margin: float | None = None
    smoothing: float = 0.0
    num_labels: int = 0

    def setup(self):
        """Declares the layer of the labels."""
        require_choice("head", self.head, Head)
        if not 0 <= self.smoothing < 1:
            raise InputError(f"smoothing={self.smoothing} is not in 0 <= smoothing < 1")
        if not self.scale > 0:
            raise InputError(f"scale={self.scale} is not above 0")
        if self.head == "softmax":
            self.classifier = nn.Dense(self.num_labels, precision="highest")
        else:
            self.classifier = CosineLayer(self.num_labels)

    def outputs(self, batch: Batch, *, train: bool) -> Float[Array, "B D"]:
        """Returns pooled vectors for a softmax, and unit descriptors otherwise."""
        images, valid = batch["images"], batch["valid"]
        if self.head == "softmax":
            return self.network.unscaled(images, valid, train=train)
        return self.network(images, valid, train=train)

    def loss(
        self, outputs: Float[Array, "B D"], batch: Batch, *, key: jax.Array
    ) -> tuple[Float[Array, ""], Metrics]:
        """Returns the cross-entropy; "accuracy" is that of the largest score."""
        labels = batch["labels"]
        scores = self.classifier(outputs)
        right = jnp.mean((jnp.argmax(scores, axis=1) == labels).astype(jnp.float32))
        logits = self._with_margin(scores, labels)
        mean = cross_entropy(
            logits, labels, jnp.ones(len(labels)), smoothing=self.smoothing
        )
        return mean.value, {"accuracy": right}

    def _with_margin(self, scores, labels):
        if self.head == "softmax":
            return scores
        margin = MARGINS[self.head] if self.margin is None else self.margin
        with_margin = arcface_logits if self.head == "arcface" else cosface_logits
        return with_margin(scores, labels, scale=self.scale, margin=margin)

    def for_labels(self, count: int) -> "ClassificationObjective":
        """Returns the objective with a layer of `count` labels."""
        return self.clone(num_labels=count)
