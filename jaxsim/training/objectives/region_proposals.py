"""Region proposals trained by the boxes of images."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Float32

from jaxsim.core.errors import InputError
from jaxsim.losses.log_loss import log_loss
from jaxsim.losses.smooth_l1 import smooth_l1
from jaxsim.nn.descriptor import Descriptor
from jaxsim.ops.anchors import balanced_sample, positives_and_negatives
from jaxsim.ops.boxes import decode, encode, overlaps
from jaxsim.training.objectives.base import Batch, Metrics, Objective


class RegionProposalObjective(Objective):
    """Anchors learn whether they show the box of their image, and where it is.

    The loss is that of a sample of each image's anchors: the log loss of whether they
    are positive, and `weight` times the smooth L1 of the offsets of the positive ones,
    both divided by the size of the sample. The batch has "images" uint8 [B, H, W, 3],
    "valid" int32 [B, 2] and "boxes" float32 [B, 4] in pixels.

    Attributes:
      network: whose pooling proposes regions.
      sample: anchors of each image that count, half of them positive if there are as
        many.
      positive: least overlap of a positive anchor with the box.
      negative: a negative anchor overlaps less.
      weight: of the offsets; in the paper the two parts weigh about the same.

    Raises:
      InputError: an option is out of range, or the pooling proposes no regions.

    Source: Ren et al. 2015 (Faster R-CNN), equation 1; on the features of a network
    that is not trained further: Gordo et al. 2016, section 3.3.
    """

    network: Descriptor
    sample: int = 256
    positive: float = 0.7
    negative: float = 0.3
    weight: float = 1.0

    def setup(self):
        """Checks the options."""
        if self.sample < 2 or not self.weight > 0:
            raise InputError(
                f"sample={self.sample} and weight={self.weight}: expected a sample of "
                "at least 2 anchors and a weight above 0"
            )
        if not 0 < self.negative <= self.positive <= 1:
            raise InputError(
                f"negative={self.negative} and positive={self.positive}: expected 0 < "
                "negative <= positive <= 1"
            )

    def outputs(self, batch: Batch, *, train: bool) -> Float[Array, "B N 9"]:
        """Returns of each anchor its logit, its offsets and its box.

        The box is in pixels; anchors about padding have zeros in its place.
        """
        images, valid = batch["images"], batch["valid"]
        if self.is_initializing():
            self.network(images, valid)  # Declares what is not trained here, too.
        scored = self.network.score_anchors(images, valid)
        boxes = jnp.where(scored.present[..., None], scored.boxes, 0)
        parts = (scored.logits[..., None], scored.offsets, boxes)
        return jnp.concatenate(parts, axis=-1)

    def loss(
        self, outputs: Float[Array, "B N 9"], batch: Batch, *, key: jax.Array
    ) -> tuple[Float[Array, ""], Metrics]:
        """Returns the loss; "overlap" is that of the best scored box with the true one.

        "objectness" and "offsets" are the parts of the loss, and "positives" the
        positive anchors in the sample of an image.
        """
        logits, offsets, anchors = jnp.split(outputs, (1, 5), axis=-1)
        logits, anchors = logits[..., 0], jax.lax.stop_gradient(anchors)
        present = anchors[..., 2] > anchors[..., 0]
        boxes = batch["boxes"].astype(jnp.float32)
        keys = jax.random.split(key, len(boxes))
        positives, drawn = jax.vmap(self._draw)(keys, anchors, present, boxes)
        shows = log_loss(
            logits.ravel(), positives.ravel(), drawn.ravel().astype(jnp.float32)
        )
        taught = positives & drawn
        where = smooth_l1(
            offsets.reshape(-1, 4),
            jax.vmap(_offsets_to)(boxes, anchors, taught).reshape(-1, 4),
            taught.ravel().astype(jnp.float32),
        )
        # From a mean over the positives to one over the sample.
        share = where.count / jnp.maximum(shows.count, 1)
        offset_loss = where.value * share
        best = jnp.argmax(jnp.where(present, logits, -jnp.inf), axis=1)
        found = jax.vmap(_overlap_of)(best, offsets, anchors, boxes)
        return shows.value + self.weight * offset_loss, {
            "objectness": shows.value,
            "offsets": offset_loss,
            "positives": where.count / len(boxes),
            "overlap": jnp.mean(found),
        }

    def _draw(
        self,
        key: jax.Array,
        anchors: Float[Array, "N 4"],
        present: Bool[Array, " N"],
        box: Float32[Array, "4"],
    ) -> tuple[Bool[Array, " N"], Bool[Array, " N"]]:
        """Returns the positive anchors of an image, and those drawn."""
        positives, negatives = positives_and_negatives(
            overlaps(anchors, box[None])[:, 0],
            present,
            positive=self.positive,
            negative=self.negative,
        )
        return positives, balanced_sample(key, positives, negatives, count=self.sample)


def _offsets_to(box: Array, anchors: Array, taught: Array) -> Array:
    """Returns what the anchors of an image should say; zeros for those not taught."""
    wanted = encode(jnp.broadcast_to(box, anchors.shape), anchors)
    # Anchors about padding have no sides, which makes NaN.
    return jnp.where(taught[:, None], wanted, 0)


def _overlap_of(best: Array, offsets: Array, anchors: Array, box: Array) -> Array:
    """Returns the overlap of one predicted box of an image with the true one."""
    return overlaps(decode(offsets[best][None], anchors[best][None]), box[None])[0, 0]
