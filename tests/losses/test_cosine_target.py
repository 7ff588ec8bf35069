import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.losses.cosine_target import cosine_target

GENERATOR = np.random.default_rng(0)
SCORES, COSINES = GENERATOR.uniform(-1, 1, (2, 20)).astype(np.float32)
MATCHING = GENERATOR.random(20) < 0.5
WEIGHTS = GENERATOR.integers(0, 3, 20).astype(np.float32)
ARRAYS = tuple(map(jnp.asarray, (SCORES, COSINES, MATCHING, WEIGHTS)))


@pytest.mark.parametrize("delta", [0.0, 0.2, 0.8])
def test_equals_the_loop(delta):
    total = 0.0
    for s, c, match, weight in zip(SCORES, COSINES, MATCHING, WEIGHTS, strict=True):
        t = float(c) + (delta if match else -delta)
        total += float(weight) * abs(float(s) - t)
    found = cosine_target(*ARRAYS, delta=delta)
    assert float(found.value) == pytest.approx(total / WEIGHTS.sum(), rel=1e-5)
    assert float(found.count) == WEIGHTS.sum()


def test_equals_the_form_with_the_label_as_a_factor():
    """|s - l (cos + Δ) - (1 - l)(cos - Δ)| for the label l of 0 or 1."""
    label = MATCHING.astype(np.float32)
    terms = np.abs(SCORES - label * (COSINES + 0.2) - (1 - label) * (COSINES - 0.2))
    found = cosine_target(*ARRAYS[:3], jnp.ones(20), delta=0.2)
    assert float(found.value) == pytest.approx(terms.mean(), rel=1e-5)


def test_the_gradient_is_the_sign_of_the_difference():
    slope = jax.grad(lambda s: cosine_target(s, *ARRAYS[1:3], jnp.ones(20)).value)
    targets = COSINES + np.where(MATCHING, 0.2, -0.2)
    expected = np.sign(SCORES - targets) / 20
    np.testing.assert_allclose(slope(ARRAYS[0]), expected, rtol=1e-6)
