"""Boxes against loops over pixels and pairs, and numbers by hand."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.ops.boxes import (
    areas,
    cells_of,
    clip,
    decode,
    encode,
    non_maximum_suppression,
    overlaps,
)

GENERATOR = np.random.default_rng(0)


def some_boxes(count, side=12, generator=GENERATOR):
    low = generator.integers(0, side - 2, (count, 2))
    high = low + generator.integers(1, side - low)
    return np.concatenate([low, high], axis=1).astype(np.float32)


def pixels(box):
    y0, x0, y1, x1 = (int(edge) for edge in box)
    return set(itertools.product(range(y0, y1), range(x0, x1)))


def naive_overlap(a, b):
    both, either = pixels(a) & pixels(b), pixels(a) | pixels(b)
    return len(both) / len(either) if either else 0


def naive_suppression(boxes, scores, present, count, overlap):
    order = sorted(np.flatnonzero(present), key=lambda i: (-scores[i], i))
    chosen = []
    for i in order:
        if all(naive_overlap(boxes[i], boxes[j]) <= overlap for j in chosen):
            chosen.append(int(i))
    return chosen[:count]


def test_areas_and_overlaps_count_pixels():
    a, b = some_boxes(20), some_boxes(15)
    a[3, 2:] = a[3, :2]  # empty
    a[4, 2:] = a[4, :2] - 2  # inside out
    found = jax.jit(overlaps)(a, b)
    expected = [[naive_overlap(one, other) for other in b] for one in a]
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    np.testing.assert_array_equal(
        areas(jnp.asarray(a)), [len(pixels(box)) for box in a]
    )
    scaled = jnp.array([3.0, 0.5, 3.0, 0.5])[None]
    np.testing.assert_allclose(overlaps(a * scaled, b * scaled), expected, rtol=1e-5)


def test_offsets_by_hand():
    anchor, box = jnp.array([[0.0, 0, 10, 20]]), jnp.array([[5.0, 5, 25, 25]])
    offsets = encode(box, anchor)
    expected = [[10 / 10, 5 / 20, math.log(2), 0]]
    np.testing.assert_allclose(offsets, expected, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(decode(offsets, anchor), box, rtol=1e-6)


def test_decoding_undoes_encoding_and_stays_finite():
    boxes, anchors = some_boxes(50), some_boxes(50)
    offsets = jax.jit(encode)(boxes, anchors)
    for i in range(50):
        (y0, x0, y1, x1), (a0, b0, a1, b1) = boxes[i], anchors[i]
        expected = [
            ((y0 + y1) / 2 - (a0 + a1) / 2) / (a1 - a0),
            ((x0 + x1) / 2 - (b0 + b1) / 2) / (b1 - b0),
            math.log((y1 - y0) / (a1 - a0)),
            math.log((x1 - x0) / (b1 - b0)),
        ]
        np.testing.assert_allclose(offsets[i], expected, rtol=1e-5, atol=1e-6)
    found = jax.jit(decode)(offsets, anchors)
    np.testing.assert_allclose(found, boxes, rtol=1e-5, atol=1e-5)
    wild = decode(jnp.full((1, 4), 1e3), jnp.array([[0.0, 0, 1, 1]]))
    assert np.isfinite(wild).all()
    np.testing.assert_allclose(wild[0, 2:] - wild[0, :2], 64, rtol=1e-4)


def test_clipping_keeps_what_is_inside():
    boxes = jnp.array([[-3.0, 2, 4, 99], [1, 1, 2, 2], [50, 50, 60, 60]])
    found = clip(boxes, jnp.array([10.0, 20.0]))
    assert found.tolist() == [[0, 2, 4, 20], [1, 1, 2, 2], [10, 20, 10, 20]]


def test_cells_are_rounded_half_up_and_never_empty():
    sizes = jnp.array([[5, 7]], jnp.int32)
    boxes = [
        ([1, 2, 3, 4], [1, 2, 3, 4]),
        ([0.49, 0.5, 2.49, 2.5], [0, 1, 2, 3]),
        ([2.1, 3.2, 2.3, 3.4], [2, 3, 3, 4]),
        ([4.9, 6.9, 5.0, 7.0], [4, 6, 5, 7]),
        ([-4, -4, 20, 20], [0, 0, 5, 7]),
    ]
    given = jnp.array([[box for box, _ in boxes]], jnp.float32)
    assert cells_of(given, sizes)[0].tolist() == [cells for _, cells in boxes]


@pytest.mark.parametrize("overlap", [0.0, 0.3, 0.7])
@pytest.mark.parametrize("count", [1, 5, 40])
def test_suppression_equals_the_sorted_loop(overlap, count):
    generator = np.random.default_rng(count)
    batch = np.stack([some_boxes(30, generator=generator) for _ in range(4)])
    scores = generator.integers(0, 12, (4, 30)).astype(np.float32)  # with ties
    present = generator.random((4, 30)) < 0.8
    present[3] = False

    @jax.jit
    @jax.vmap
    def choose(boxes, scores, present):
        return non_maximum_suppression(
            boxes, scores, present, count=count, overlap=overlap
        )

    positions, found = choose(batch, scores, present)
    assert positions.shape == found.shape == (4, count)
    for row in range(4):
        expected = naive_suppression(
            batch[row], scores[row], present[row], count, overlap
        )
        assert positions[row][found[row]].tolist() == expected
        assert found[row].tolist() == [i < len(expected) for i in range(count)]


@pytest.mark.parametrize("options", [{"count": 0}, {"count": 1, "overlap": 1.1}])
def test_options_out_of_range(options):
    boxes = jnp.zeros((1, 4))
    with pytest.raises(InputError, match="expected a count of at least 1"):
        non_maximum_suppression(boxes, jnp.zeros(1), jnp.ones(1, bool), **options)
