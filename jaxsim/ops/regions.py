"""The rigid grid of square regions of R-MAC."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int32

MOST_EXTRA_CELLS = 6
"""The long side has at most this many cells more than the short side, at each level."""


def _extra_cells(
    short: Int32[Array, " B"], long: Int32[Array, " B"]
) -> Int32[Array, " B"]:
    """How many more cells the long side gets: overlaps are closest to 40 %.

    With n cells, neighbours overlap by 1 - (long - short) / ((n - 1) short). The
    comparison is done in whole numbers (times 60, the least common multiple of the
    divisors 1..6), so that a tie goes to the fewer cells on every machine.
    """
    gaps = jnp.arange(1, MOST_EXTRA_CELLS + 1, dtype=jnp.int32)[None, :]
    deviation = jnp.abs(3 * gaps * short[:, None] - 5 * (long - short)[:, None])
    extra = jnp.argmin(deviation * (60 // gaps), axis=1).astype(jnp.int32) + 1
    return jnp.where(long > short, extra, 0)


def _cell_starts(
    size: Int32[Array, " B"],
    side: Int32[Array, " B"],
    cells: Int32[Array, " B"],
    n: int,
) -> Int32[Array, "B n"]:
    """First pixels of `cells` equally spaced intervals; the rest are clipped."""
    steps = jnp.arange(n, dtype=jnp.int32)[None, :]
    gaps = jnp.maximum(cells - 1, 1)[:, None]
    starts = steps * (size - side)[:, None] // gaps
    return jnp.minimum(starts, (size - side)[:, None])


def rmac_grid(
    sizes: Int32[Array, "B 2"], *, levels: int = 3
) -> tuple[Int32[Array, "B R 3"], Bool[Array, "B R"]]:
    """Places the regions of R-MAC on feature maps of the given sizes.

    Level l has squares of side floor(2 min(H, W) / (l + 1)), l along the short side
    and l + idx along the long side, where idx makes neighbours at level 1 overlap by
    about 40 %.

    Args:
      sizes: int32 [B, 2], height and width of each map, at least 1.
      levels: number of scales L, at least 1.

    Returns:
      Regions (y, x, side) int32 [B, R, 3] with R fixed by `levels`, and bool [B, R]:
      which of them exist for this map size.

    Source: Tolias, Sicre and Jégou 2016, section 3.2; region code of its release.
    """
    height, width = sizes[:, 0], sizes[:, 1]
    short, long = jnp.minimum(height, width), jnp.maximum(height, width)
    extra = _extra_cells(short, long)
    rows = jnp.where(height > width, extra, 0)
    columns = jnp.where(width > height, extra, 0)
    regions, present = [], []
    for level in range(1, levels + 1):
        side = 2 * short // (level + 1)
        n = level + MOST_EXTRA_CELLS
        # Only one side of a map is the long one, so l (l + 6) slots are enough: the
        # slot number counts along the long side first.
        slots = jnp.arange(level * n, dtype=jnp.int32)
        tall = (height > width)[:, None]
        along, across = slots[None, :] // level, slots[None, :] % level
        row = jnp.where(tall, along, across)
        column = jnp.where(tall, across, along)
        y = jnp.take_along_axis(
            _cell_starts(height, side, level + rows, n), row, axis=1
        )
        x = jnp.take_along_axis(
            _cell_starts(width, side, level + columns, n), column, axis=1
        )
        sides = jnp.broadcast_to(side[:, None], y.shape)
        regions.append(jnp.stack([y, x, sides], axis=-1))
        present.append((along < level + extra[:, None]) & (sides > 0))
    return jnp.concatenate(regions, axis=1), jnp.concatenate(present, axis=1)
