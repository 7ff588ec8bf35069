"""Anchors: boxes of fixed shapes about every cell of a map, and what they teach."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Float32, Int32

SHARE_OF_POSITIVES = 0.5


def anchor_boxes(
    sizes: Int32[Array, "B 2"],
    *,
    height: int,
    width: int,
    scales: Sequence[float],
    ratios: Sequence[float],
) -> tuple[Float32[Array, "B N 4"], Bool[Array, "B N"]]:
    """Places anchors of all scales and ratios about the centre of every cell.

    An anchor of scale s and ratio r has the area (s a)^2, where a is the shorter side
    of the image, and is r times as high as wide. Scales follow the image as those of
    R-MAC's grid do, whatever its size in pixels. Anchors may reach beyond the image.

    Args:
      sizes: int32 [B, 2], height and width of each image in cells.
      height: of the map that the images lie in, in cells.
      width: of the map.
      scales: of the anchors, as parts of the image's shorter side.
      ratios: height by width.

    Returns:
      Anchors float32 [B, N, 4] in cells, for y, for x, for scale, for ratio; and bool
      [B, N], which of them are about a cell of the image.

    Source: Ren et al. 2015 (Faster R-CNN), section 3.1.1, where scales are 128, 256 and
    512 px of 600.
    """
    ys = (jnp.arange(height, dtype=jnp.float32) + 0.5)[:, None, None]
    xs = (jnp.arange(width, dtype=jnp.float32) + 0.5)[None, :, None]
    shapes = jnp.array(
        [(s * r**0.5, s / r**0.5) for s in scales for r in ratios], jnp.float32
    )
    grid = (height, width, len(shapes))
    centres = jnp.stack([jnp.broadcast_to(ys, grid), jnp.broadcast_to(xs, grid)], -1)
    halves = jnp.broadcast_to(shapes[None, None] / 2, centres.shape)
    centres, halves = centres.reshape(1, -1, 2), halves.reshape(1, -1, 2)
    short = jnp.min(sizes, axis=1).astype(jnp.float32)[:, None, None]
    extents = short * jnp.broadcast_to(halves, (len(sizes), *halves.shape[1:]))
    centres = jnp.broadcast_to(centres, extents.shape)
    boxes = jnp.concatenate([centres - extents, centres + extents], axis=-1)
    limits = sizes.astype(jnp.float32)[:, None]
    inside = jnp.all(centres < jnp.broadcast_to(limits, centres.shape), axis=-1)
    return boxes, inside


def positives_and_negatives(
    overlap: Float[Array, " N"],
    present: Bool[Array, " N"],
    *,
    positive: float = 0.7,
    negative: float = 0.3,
) -> tuple[Bool[Array, " N"], Bool[Array, " N"]]:
    """Tells which anchors show a box, and which do not; others teach nothing.

    Positive are those that overlap the box enough, and those that overlap it most.

    Args:
      overlap: float [N], intersection over union of each anchor with the box.
      present: bool [N]; others are neither.
      positive: least overlap of a positive.
      negative: a negative overlaps less.

    Source: Ren et al. 2015 (Faster R-CNN), section 3.1.2.
    """
    overlap = jnp.where(present, overlap, 0)
    most = jnp.max(overlap)
    # Overlaps of equal anchors differ in their last bits.
    best = (overlap > 0) & (overlap >= most * (1 - 1e-5))
    shows = (overlap >= positive) | best
    return shows, present & (overlap < negative) & ~shows


def balanced_sample(
    key: jax.Array,
    positives: Bool[Array, " N"],
    negatives: Bool[Array, " N"],
    *,
    count: int,
) -> Bool[Array, " N"]:
    """Draws anchors, half of them positive; negatives take the room that is left.

    Args:
      key: of the draw.
      positives: bool [N].
      negatives: bool [N], none of them positive.
      count: anchors drawn, fewer if there are fewer.

    Source: Ren et al. 2015 (Faster R-CNN), section 3.1.3.
    """
    numbers = jax.random.uniform(key, positives.shape)
    most = round(count * SHARE_OF_POSITIVES)
    drawn = positives & (_rank(numbers, positives) < most)
    left = count - jnp.sum(drawn)
    return drawn | (negatives & (_rank(numbers, negatives) < left))


def _rank(numbers: Array, among: Array) -> Array:
    """Returns how many of the marked come before each, if it is marked."""
    order = jnp.argsort(jnp.where(among, numbers, jnp.inf), stable=True)
    places = jnp.arange(len(order), dtype=jnp.int32)
    return jnp.zeros(len(order), jnp.int32).at[order].set(places)
