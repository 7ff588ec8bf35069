import jax
import jax.numpy as jnp
import pytest

from jaxsim.losses.mean import weighted_mean


@pytest.mark.parametrize("weights", [[1, 1, 0], [0.25, 0.5, 0.0], [3, 0.1, 2]])
def test_mean_is_weighted(weights):
    terms = [2.0, -5.0, 11.0]
    total = sum(w * t for w, t in zip(weights, terms, strict=True))
    mean = weighted_mean(jnp.array(terms), jnp.array(weights, float))
    assert float(mean.value) == pytest.approx(total / sum(weights), rel=1e-6)
    assert float(mean.count) == pytest.approx(sum(weights))


def test_terms_without_weight_may_be_anything():
    terms = jnp.array([1.0, jnp.nan, jnp.inf])
    weights = jnp.array([1.0, 0.0, 0.0])
    gradient = jax.grad(lambda t: weighted_mean(t, weights).value)(terms)
    assert float(weighted_mean(terms, weights).value) == 1
    assert gradient.tolist() == [1, 0, 0]


def test_no_gradient_flows_into_weights():
    slope = jax.grad(lambda w: weighted_mean(jnp.array([1.0, 3.0]), w).value)
    assert slope(jnp.ones(2)).tolist() == [0, 0]


def test_means_of_parts_join_to_the_mean_of_all():
    terms, weights = jnp.arange(6.0), jnp.array([1.0, 0, 2, 1, 0, 1])
    whole = weighted_mean(terms, weights)
    parts = [weighted_mean(terms[i:j], weights[i:j]) for i, j in ((0, 2), (2, 6))]
    joined = sum(part.value * part.count for part in parts) / whole.count
    assert float(joined) == pytest.approx(float(whole.value))
