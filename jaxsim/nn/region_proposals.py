"""Learned region proposals: where in a feature map the thing of interest may be."""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxsim.core.errors import InputError
from jaxsim.nn.features import Features
from jaxsim.ops.anchors import anchor_boxes
from jaxsim.ops.boxes import clip, decode, non_maximum_suppression

SMALLEST_SIDE_CELLS = 1.0


class ScoredAnchors(NamedTuple):
    """What the network says about every anchor.

    Attributes:
      logits: float [B, N], high where an anchor shows the thing of interest.
      offsets: float [B, N, 4], from the anchor to its box; see `ops.boxes.decode`.
      boxes: float [B, N, 4], the anchors.
      present: bool [B, N], False for anchors about padding.
    """

    logits: Float[Array, "B N"]
    offsets: Float[Array, "B N 4"]
    boxes: Float[Array, "B N 4"]
    present: Bool[Array, "B N"]


class Proposals(NamedTuple):
    """Boxes by falling score.

    Attributes:
      boxes: float [B, K, 4]: y0, x0, y1, x1, half open, inside the image.
      logits: float [B, K].
      present: bool [B, K], False where an image has fewer proposals; the first is
        always there.
    """

    boxes: Float[Array, "B K 4"]
    logits: Float[Array, "B K"]
    present: Bool[Array, "B K"]


class RegionProposals(nn.Module):
    """A small network that slides over a feature map and proposes boxes.

    Attributes:
      count: proposals of each image; 256 in the paper, where 16 to 32 do nearly as
        well.
      channels: of the hidden layer.
      scales: of the anchors, as parts of the image's shorter side.
      ratios: of the anchors, height by width.
      overlap: proposals that overlap a better one by more are dropped.

    Raises:
      InputError: an option is out of range.

    Source: Ren et al. 2015 (Faster R-CNN), section 3.1; in place of R-MAC's grid:
    Gordo et al. 2016, section 3.3.
    """

    count: int = 32
    channels: int = 256
    scales: tuple[float, ...] = (0.25, 0.5, 1.0)
    ratios: tuple[float, ...] = (0.5, 1.0, 2.0)
    overlap: float = 0.7

    def setup(self):
        """Declares the layers, small at first, as in the paper."""
        if self.count < 1 or self.channels < 1 or not 0 < self.overlap <= 1:
            raise InputError(
                f"proposals: count={self.count}, channels={self.channels} and overlap="
                f"{self.overlap} must be above 0, and the overlap at most 1"
            )
        if not self.scales or not self.ratios or min(self.scales + self.ratios) <= 0:
            raise InputError(
                f"proposals: scales={self.scales} and ratios={self.ratios} need one "
                "number each at least, all above 0"
            )
        # Rounded factors could move a box to other cells from one padding to another.
        exact = {
            "kernel_init": nn.initializers.normal(0.01),
            "precision": "highest",
        }
        shapes = self.anchors_of(1, 1)
        self.hidden = nn.Conv(self.channels, (3, 3), **exact)
        self.objectness = nn.Dense(shapes, **exact)
        self.regression = nn.Dense(4 * shapes, **exact)

    def anchors_of(self, height: int, width: int) -> int:
        """Returns how many anchors a map of this many cells has."""
        return height * width * len(self.scales) * len(self.ratios)

    def score(self, features: Features) -> ScoredAnchors:
        """Returns all anchors, in cells of the map, with their logits and offsets."""
        batch, height, width, _ = features.map.shape
        boxes, present = anchor_boxes(
            features.sizes(),
            height=height,
            width=width,
            scales=self.scales,
            ratios=self.ratios,
        )
        hidden = nn.relu(self.hidden(features.masked_map()))
        return ScoredAnchors(
            logits=self.objectness(hidden).reshape(batch, -1),
            offsets=self.regression(hidden).reshape(batch, -1, 4),
            boxes=boxes,
            present=present,
        )

    def __call__(self, features: Features) -> Proposals:
        """Proposes boxes, in cells of the map; no gradient flows into them.

        They are clipped to the image, and dropped if a side is then shorter than a
        cell. An image that has none left gets the whole of it as its one proposal.
        """
        scored = jax.lax.stop_gradient(self.score(features))
        sizes = features.sizes().astype(jnp.float32)
        return jax.vmap(self._propose)(scored, sizes)

    def _propose(self, scored: ScoredAnchors, size: Array) -> Proposals:
        """Returns the proposals of one image."""
        boxes = clip(decode(scored.offsets, scored.boxes), size)
        sides = boxes[:, 2:] - boxes[:, :2]
        present = scored.present & jnp.all(sides >= SMALLEST_SIDE_CELLS, axis=1)
        chosen, found = non_maximum_suppression(
            boxes, scored.logits, present, count=self.count, overlap=self.overlap
        )
        whole = jnp.concatenate([jnp.zeros(2), size])
        first = jnp.arange(self.count) == 0
        boxes = jnp.where(found[:, None], boxes[chosen], whole[None])
        return Proposals(boxes, scored.logits[chosen], found | first)
