"""Boxes: overlap, offsets from anchors, clipping, non-maximum suppression.

A box is (y0, x0, y1, x1), half open, in any unit; it is empty unless y0 < y1 and
x0 < x1.
"""

import math

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int32

from jaxsim.core.errors import InputError

LARGEST_LOG_FACTOR = math.log(64)
"""No box has sides more than 64 times those of its anchor, so that all are finite."""


def areas(boxes: Float[Array, "*batch 4"]) -> Float[Array, "*batch"]:
    """Returns height times width; 0 for an empty box."""
    height = jnp.maximum(boxes[..., 2] - boxes[..., 0], 0)
    width = jnp.maximum(boxes[..., 3] - boxes[..., 1], 0)
    return height * width


def overlaps(a: Float[Array, "A 4"], b: Float[Array, "B 4"]) -> Float[Array, "A B"]:
    """Returns the intersection over union of all pairs, 0..1.

    Scaling an axis changes nothing. With an empty box it is 0.

    >>> overlaps(jnp.array([[0.0, 0, 2, 2]]), jnp.array([[0.0, 1, 2, 3]])).tolist()
    [[0.3333333432674408]]
    """
    low = jnp.maximum(a[:, None, :2], b[None, :, :2])
    high = jnp.minimum(a[:, None, 2:], b[None, :, 2:])
    both = areas(jnp.concatenate([low, high], axis=-1))
    either = areas(a)[:, None] + areas(b)[None] - both
    return jnp.where(both > 0, both / jnp.where(either > 0, either, 1), 0)


def encode(
    boxes: Float[Array, "N 4"], anchors: Float[Array, "N 4"]
) -> Float[Array, "N 4"]:
    """Returns where boxes lie as seen from their anchors.

    t_y = (y - y_a) / h_a, t_x likewise, t_h = log(h / h_a), t_w likewise, where (y, x)
    are centres. Scaling an axis of both changes nothing.

    Args:
      boxes: float [N, 4], none empty.
      anchors: float [N, 4], none empty.

    Returns:
      float [N, 4]: t_y, t_x, t_h, t_w.

    Source: Ren et al. 2015 (Faster R-CNN), equation 2.
    """
    centres, sides = _centres_and_sides(boxes)
    anchor_centres, anchor_sides = _centres_and_sides(anchors)
    shift = (centres - anchor_centres) / anchor_sides
    return jnp.concatenate([shift, jnp.log(sides / anchor_sides)], axis=-1)


def decode(
    offsets: Float[Array, "N 4"], anchors: Float[Array, "N 4"]
) -> Float[Array, "N 4"]:
    """Returns the boxes at some offsets from their anchors: the inverse of `encode`.

    Args:
      offsets: float [N, 4]: t_y, t_x, t_h, t_w; factors beyond 64 are cut to it.
      anchors: float [N, 4].
    """
    anchor_centres, anchor_sides = _centres_and_sides(anchors)
    centres = anchor_centres + offsets[:, :2] * anchor_sides
    logs = jnp.clip(offsets[:, 2:], -LARGEST_LOG_FACTOR, LARGEST_LOG_FACTOR)
    halves = jnp.exp(logs) * anchor_sides / 2
    return jnp.concatenate([centres - halves, centres + halves], axis=-1)


def clip(boxes: Float[Array, "N 4"], size: Float[Array, "2"]) -> Float[Array, "N 4"]:
    """Returns the parts of boxes that lie in (0, 0, height, width).

    Args:
      boxes: float [N, 4].
      size: float [2], height and width.
    """
    limits = jnp.concatenate([size, size])[None]
    return jnp.clip(boxes, 0, jnp.broadcast_to(limits, boxes.shape))


def cells_of(
    boxes: Float[Array, "B R 4"], sizes: Int32[Array, "B 2"]
) -> Int32[Array, "B R 4"]:
    """Rounds boxes to whole cells, at least one of the image each.

    Args:
      boxes: float [B, R, 4], in cells; whole numbers inside the image stay as they are.
      sizes: int32 [B, 2], height and width of each image in cells, at least 1.

    Returns:
      int32 [B, R, 4], half open, inside the image, none empty.
    """
    limits = jnp.broadcast_to(sizes[:, None], (*boxes.shape[:2], 2))
    # Halves go up on both sides, so that neighbours stay neighbours.
    rounded = jnp.floor(boxes + 0.5).astype(jnp.int32)
    low = jnp.clip(rounded[..., :2], 0, limits - 1)
    high = jnp.clip(rounded[..., 2:], low + 1, limits)
    return jnp.concatenate([low, high], axis=-1)


def non_maximum_suppression(
    boxes: Float[Array, "N 4"],
    scores: Float[Array, " N"],
    present: Bool[Array, " N"],
    *,
    count: int,
    overlap: float = 0.7,
) -> tuple[Int32[Array, " K"], Bool[Array, " K"]]:
    """Chooses boxes by falling score, passing over those that overlap a chosen one.

    Among equal scores the first box is chosen. Each choice compares one box with all
    others, so that no N x N matrix is made.

    Args:
      boxes: float [N, 4].
      scores: float [N], finite where present.
      present: bool [N]; others are never chosen.
      count: how many to choose, K >= 1.
      overlap: boxes with a larger intersection over union with a chosen one are
        passed over, 0..1.

    Returns:
      Positions int32 [K] and bool [K], False where there was nothing left to choose.

    Raises:
      InputError: an option is out of range.
    """
    if count < 1 or not 0 <= overlap <= 1:
        raise InputError(
            f"count={count} and overlap={overlap}: expected a count of at least 1 and "
            "an overlap in 0..1"
        )
    positions = jnp.arange(len(scores), dtype=jnp.int32)

    def choose(left, _):
        best = jnp.argmax(jnp.where(left, scores, -jnp.inf)).astype(jnp.int32)
        found = left[best]
        near = overlaps(boxes[best][None], boxes)[0] > overlap
        return left & ~near & (positions != best), (best, found)

    _, chosen = jax.lax.scan(choose, present, None, length=count)
    return chosen


def _centres_and_sides(boxes: Array) -> tuple[Array, Array]:
    low, high = boxes[..., :2], boxes[..., 2:]
    return (low + high) / 2, high - low
