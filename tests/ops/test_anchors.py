"""Anchors against loops over cells, and what is drawn of them."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.ops.anchors import anchor_boxes, balanced_sample, positives_and_negatives

SCALES, RATIOS = (0.5, 1.0), (0.5, 1.0, 2.0)


def test_anchors_are_about_the_cells_of_the_image():
    sizes = [(3, 5), (4, 2)]
    boxes, present = anchor_boxes(
        jnp.array(sizes, jnp.int32), height=4, width=5, scales=SCALES, ratios=RATIOS
    )
    for image, (height, width) in enumerate(sizes):
        expected, inside = [], []
        for y in range(4):
            for x in range(5):
                for scale in SCALES:
                    for ratio in RATIOS:
                        area = (scale * min(height, width)) ** 2
                        h, w = math.sqrt(area * ratio), math.sqrt(area / ratio)
                        y_c, x_c = y + 0.5, x + 0.5
                        expected.append(
                            (y_c - h / 2, x_c - w / 2, y_c + h / 2, x_c + w / 2)
                        )
                        inside.append(y < height and x < width)
        np.testing.assert_allclose(boxes[image], expected, rtol=1e-5, atol=1e-5)
        assert present[image].tolist() == inside


def test_positives_overlap_enough_or_most():
    overlap = jnp.array([0.75, 0.7, 0.5, 0.29, 0.0, 0.9])
    present = jnp.array([True, True, True, True, True, False])
    positive, negative = positives_and_negatives(overlap, present)
    assert positive.tolist() == [True, True, False, False, False, False]
    assert negative.tolist() == [False, False, False, True, True, False]


def test_the_best_anchors_are_positive_however_little_they_overlap():
    overlap, present = jnp.array([0.2, 0.1, 0.2, 0.0]), jnp.ones(4, bool)
    positive, negative = positives_and_negatives(overlap, present)
    assert positive.tolist() == [True, False, True, False]
    assert negative.tolist() == [False, True, False, True]
    positive, negative = positives_and_negatives(overlap * 0, present)
    assert not positive.any() and negative.all()


@pytest.mark.parametrize(
    "positives, negatives, drawn",
    [
        (30, 60, (8, 8)),
        (3, 60, (3, 13)),
        (30, 4, (8, 4)),
        (0, 60, (0, 16)),
        (0, 0, (0, 0)),
    ],
)
def test_half_of_the_sample_is_positive_if_there_are_enough(
    positives, negatives, drawn
):
    kind = np.zeros(100, int)
    kind[:positives], kind[positives : positives + negatives] = 1, -1
    np.random.default_rng(0).shuffle(kind)
    marks = jnp.asarray(kind == 1), jnp.asarray(kind == -1)
    sample = jax.jit(lambda key: balanced_sample(key, *marks, count=16))
    counts = np.zeros(100, int)
    for seed in range(60):
        found = np.asarray(sample(jax.random.key(seed)))
        assert ((found & (kind == 1)).sum(), (found & (kind == -1)).sum()) == drawn
        counts += found
    assert not counts[kind == 0].any()
    for sign, share in ((1, drawn[0]), (-1, drawn[1])):
        if share:  # Every one is drawn now and then.
            assert counts[kind == sign].min() > 0
