"""R-MAC's grid against SPEC §7.1's numbers and a loop in plain Python."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.ops.regions import rmac_grid


def grid_of(height, width, levels):
    regions, present = rmac_grid(jnp.array([[height, width]], jnp.int32), levels=levels)
    return [tuple(map(int, r)) for r in np.asarray(regions)[np.asarray(present)]]


def naive_grid(height, width, levels):
    """The published procedure, in floating point, one region at a time."""
    short = min(height, width)
    cost = []
    for n in range(2, 8):
        step = (max(height, width) - short) / (n - 1)
        overlap = (short**2 - short * step) / short**2
        cost.append(abs(overlap - 0.4))
    extra = 1 + min(range(6), key=lambda i: round(cost[i], 9))
    wide, tall = extra * (width > height), extra * (height > width)
    found = []
    for level in range(1, levels + 1):
        side = math.floor(2 * short / (level + 1))
        if side == 0:
            continue
        half = math.floor(side / 2 - 1)

        def starts(size, cells, side=side, half=half):
            step = (size - side) / (cells - 1) if cells > 1 else 0
            return [math.floor(half + i * step + 1e-9) - half for i in range(cells)]

        for y in starts(height, level + tall):
            for x in starts(width, level + wide):
                found.append((y, x, side))
    return found


def test_regions_of_a_4_to_3_map():
    regions = grid_of(24, 32, 3)
    assert set(regions[:2]) == {(0, 0, 24), (0, 8, 24)}
    assert {x for _, x, s in regions if s == 16} == {0, 8, 16}
    assert {y for y, _, s in regions if s == 16} == {0, 8}
    assert {x for _, x, s in regions if s == 12} == {0, 6, 13, 20}
    assert {y for y, _, s in regions if s == 12} == {0, 6, 12}


@pytest.mark.parametrize(
    "size, counts",
    [
        ((32, 24), (2, 8, 20)),
        ((24, 32), (2, 8, 20)),
        ((20, 20), (1, 5, 14)),
        ((10, 40), (6, 20, 44)),
    ],
)
def test_region_counts(size, counts):
    assert tuple(len(grid_of(*size, levels)) for levels in (1, 2, 3)) == counts


def test_regions_equal_the_loop_for_many_sizes():
    sizes = [(h, w) for h in range(1, 41, 3) for w in range(1, 61, 2)]
    regions, present = map(np.asarray, rmac_grid(jnp.array(sizes, jnp.int32)))
    for size, boxes, exist in zip(sizes, regions, present, strict=True):
        found = sorted(tuple(map(int, box)) for box in boxes[exist])
        assert found == sorted(naive_grid(*size, 3)), size


def test_regions_lie_inside_the_map():
    sizes = np.array([(h, w) for h in (1, 7, 15, 33) for w in (1, 2, 11, 33)], np.int32)
    regions, present = map(np.asarray, rmac_grid(jnp.array(sizes)))
    for (height, width), boxes, exist in zip(sizes, regions, present, strict=True):
        y, x, side = boxes[exist].T
        assert (y >= 0).all() and (y + side <= height).all()
        assert (x >= 0).all() and (x + side <= width).all()
