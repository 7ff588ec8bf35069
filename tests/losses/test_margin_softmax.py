"""ArcFace and CosFace against loops over angles, and at the ends of the range."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.losses.margin_softmax import arcface_logits, cosface_logits

GENERATOR = np.random.default_rng(0)
COSINES = GENERATOR.uniform(-1, 1, (40, 6)).astype(np.float32)
LABELS = GENERATOR.integers(0, 6, 40).astype(np.int32)


def naive(target, scale):
    return [
        [
            scale * (target(float(cosine)) if index == label else float(cosine))
            for index, cosine in enumerate(row)
        ]
        for row, label in zip(COSINES, LABELS, strict=True)
    ]


@pytest.mark.parametrize(("scale", "margin"), [(64.0, 0.5), (30.0, 1.2), (1.0, 0.0)])
def test_arcface_equals_the_loop_over_angles(scale, margin):
    def target(cosine):
        angle = math.acos(cosine)
        if angle + margin > math.pi:
            return cosine - margin * math.sin(margin)
        return math.cos(angle + margin)

    found = arcface_logits(
        jnp.asarray(COSINES), jnp.asarray(LABELS), scale=scale, margin=margin
    )
    np.testing.assert_allclose(found, naive(target, scale), atol=1e-4)


def test_some_angles_lie_beyond_the_turn():
    chosen = np.take_along_axis(COSINES, LABELS[:, None], axis=1)
    assert (np.arccos(chosen) + 0.5 > math.pi).any()


@pytest.mark.parametrize(("scale", "margin"), [(64.0, 0.35), (1.0, 0.0)])
def test_cosface_equals_the_loop(scale, margin):
    found = cosface_logits(
        jnp.asarray(COSINES), jnp.asarray(LABELS), scale=scale, margin=margin
    )
    expected = naive(lambda cosine: cosine - margin, scale)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_defaults_are_the_papers():
    cosines, labels = jnp.asarray(COSINES), jnp.asarray(LABELS)
    for of, margin in ((arcface_logits, 0.5), (cosface_logits, 0.35)):
        explicit = of(cosines, labels, scale=64.0, margin=margin)
        np.testing.assert_array_equal(of(cosines, labels), explicit)


def test_arcface_falls_over_the_whole_circle():
    cosines = jnp.cos(jnp.linspace(0, math.pi, 500))[:, None]
    logits = arcface_logits(cosines, jnp.zeros(500, jnp.int32))[:, 0]
    assert (np.diff(logits) < 1e-5).all()


@pytest.mark.parametrize("cosine", [1.0, -1.0, 1.0000001, -1.0000001, 0.9999999])
def test_arcface_has_finite_slopes_at_the_ends(cosine):
    def logit(cosine):
        return arcface_logits(cosine[None, None], jnp.zeros(1, jnp.int32))[0, 0]

    value, slope = jax.value_and_grad(logit)(jnp.array(cosine))
    assert np.isfinite(value)
    assert np.isfinite(slope)
    assert slope > 0


def test_bfloat16_cosines_are_computed_in_float32():
    cosines = jnp.asarray(COSINES, jnp.bfloat16)
    for of in (arcface_logits, cosface_logits):
        found = of(cosines, jnp.asarray(LABELS))
        assert found.dtype == jnp.float32
        wide = of(cosines.astype(jnp.float32), jnp.asarray(LABELS))
        np.testing.assert_array_equal(found, wide)
