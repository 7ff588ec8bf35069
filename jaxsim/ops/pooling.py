"""From a feature map to vectors: SPoC, GeM, MAC and maxima over square regions.

All take the number of valid cells of each map, so that padding never counts.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int32

SMALLEST_ACTIVATION = 1e-6


def spoc(
    maps: Float[Array, "B H W C"], mask: Bool[Array, "B H W"]
) -> Float[Array, "B C"]:
    """Averages each channel over the valid cells (Babenko and Lempitsky 2015)."""
    total = jnp.sum(jnp.where(mask[..., None], maps, 0), axis=(1, 2))
    return total / jnp.maximum(jnp.sum(mask, axis=(1, 2)), 1)[:, None]


def mac(
    maps: Float[Array, "B H W C"], mask: Bool[Array, "B H W"]
) -> Float[Array, "B C"]:
    """Takes each channel's maximum over the valid cells (Razavian et al. 2014)."""
    return jnp.max(jnp.where(mask[..., None], maps, -jnp.inf), axis=(1, 2))


def gem(
    maps: Float[Array, "B H W C"],
    mask: Bool[Array, "B H W"],
    p: Float[Array, ""] | float,
) -> Float[Array, "B C"]:
    """Takes each channel's generalised mean, (mean x^p)^(1/p).

    Args:
      maps: activations; values below 1e-6 are raised to it, as the root needs.
      mask: True on valid cells.
      p: exponent > 0; 1 is SPoC, infinity is MAC.

    Source: Radenović, Tolias and Chum 2018, equation 3.
    """
    powers = jnp.maximum(maps, SMALLEST_ACTIVATION) ** p
    return spoc(powers, mask) ** (1 / p)


def square_maxima(
    maps: Float[Array, "B H W C"], squares: Int32[Array, "B R 3"]
) -> Float[Array, "B R C"]:
    """Takes each channel's maximum over every square.

    A table of the maxima of all squares whose side is a power of two is built by
    doubling; any square is the union of four of them. This costs 3 log2(side) passes
    over the map, however many squares are asked for.

    Args:
      maps: float [B, H, W, C].
      squares: int32 [B, R, 3]: y, x, side. Those inside the map give their maximum;
        squares of side 0 give the value of one cell, to be dropped by the caller.

    Returns:
      float [B, R, C].
    """
    height, width = maps.shape[1:3]
    table = [maps]
    while 2 ** len(table) <= min(height, width):
        half = 2 ** (len(table) - 1)
        last = jnp.pad(
            table[-1],
            ((0, 0), (0, half), (0, half), (0, 0)),
            constant_values=-jnp.inf,
        )
        down = jnp.maximum(last[:, :height], last[:, half:])
        table.append(jnp.maximum(down[:, :, :width], down[:, :, half:]))
    stack = jnp.stack(table, axis=1)

    y, x, side = jnp.moveaxis(squares, -1, 0)
    sides = 2 ** jnp.arange(1, len(table), dtype=jnp.int32)
    level = jnp.sum(side[..., None] >= sides[None, None], axis=-1)
    offset = jnp.maximum(side - 2**level, 0)
    corners = [
        _lookup(stack, level, y + down, x + right)
        for down in (0, offset)
        for right in (0, offset)
    ]
    return jnp.max(jnp.stack(corners), axis=0)


def box_maxima(
    maps: Float[Array, "B H W C"], boxes: Int32[Array, "B R 4"]
) -> Float[Array, "B R C"]:
    """Takes each channel's maximum over the cells of every box.

    The rows of a box are the union of two runs whose length is a power of two, looked
    up in a table made by doubling; of their maxima the columns inside are taken. For
    squares `square_maxima` is faster.

    Args:
      maps: float [B, H, W, C].
      boxes: int32 [B, R, 4]: y0, x0, y1, x1, half open, inside the map, none empty.

    Returns:
      float [B, R, C].
    """
    height, width = maps.shape[1:3]
    table = [maps]
    while 2 ** len(table) <= height:
        half = 2 ** (len(table) - 1)
        beyond = ((0, 0), (0, half), (0, 0), (0, 0))
        last = jnp.pad(table[-1], beyond, constant_values=-jnp.inf)
        table.append(jnp.maximum(last[:, :height], last[:, half:]))
    stack = jnp.stack(table, axis=1)

    y0, x0, y1, x1 = jnp.moveaxis(boxes, -1, 0)
    lengths = 2 ** jnp.arange(1, len(table), dtype=jnp.int32)
    level = jnp.sum((y1 - y0)[..., None] >= lengths[None, None], axis=-1)
    rows = jnp.maximum(
        _lookup(stack, level, y0), _lookup(stack, level, y1 - 2**level)
    )  # [B, R, W, C]
    columns = jnp.arange(width)[None, None]
    inside = (columns >= x0[..., None]) & (columns < x1[..., None])
    return jnp.max(jnp.where(inside[..., None], rows, -jnp.inf), axis=2)


@jax.vmap
def _lookup(table: Array, *at: Array) -> Array:
    """Returns entries of each image's table.

    Mapped, and not indexed by the image, so that devices that share a batch look up
    each its own images and send nothing.
    """
    return table[at]
