"""The triplet loss against a loop and the numbers of published variants."""

import inspect
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.losses.triplet import triplet
from jaxsim.ops.distances import squared_distances

GENERATOR = np.random.default_rng(0)
POSITIVE, NEGATIVE, WEIGHTS = GENERATOR.uniform(0, 2, (3, 12)).astype(np.float32)
WEIGHTS = np.floor(WEIGHTS + 0.5)  # some are 0


def naive(margin, average):
    total = divisor = 0.0
    for near, far, weight in zip(POSITIVE, NEGATIVE, WEIGHTS, strict=True):
        excess = float(near) - float(far)
        if margin is None:
            term = math.log(1 + math.exp(excess))
        else:
            term = max(0.0, margin + excess)
        total += weight * term
        divisor += weight if average == "all" or term > 0 else 0
    return total / divisor, divisor


@pytest.mark.parametrize("average", ["all", "violating"])
@pytest.mark.parametrize("margin", [0.2, 1.0, 0.0, None])
def test_equals_the_loop(margin, average):
    arrays = map(jnp.asarray, (POSITIVE, NEGATIVE, WEIGHTS))
    found = triplet(*arrays, margin=margin, average=average)
    value, count = naive(margin, average)
    assert float(found.value) == pytest.approx(value, rel=1e-5)
    assert float(found.count) == count


def test_the_two_averages_differ():
    assert naive(0.2, "all")[1] > naive(0.2, "violating")[1] > 0


def of_vectors(query, positive, negative, margin):
    squared = squared_distances(query[None], jnp.stack([positive, negative]))
    return triplet(squared[:, 0], squared[:, 1], jnp.ones(1), margin=margin).value


QUERY = jnp.array([1.0, 0.0]), jnp.array([0.8, 0.6]), jnp.array([0.6, 0.8])


def test_published_example():
    """D_p = 0.4 and D_n = 0.8: Deep Ranking with g = 1 loses 0.6, DIR nothing."""
    assert float(of_vectors(*QUERY, 1.0)) == pytest.approx(0.6, abs=1e-6)
    assert float(of_vectors(*QUERY, 0.1)) == 0


def test_half_of_it_has_the_gradients_of_deep_image_retrieval():
    slopes = jax.jit(jax.grad(of_vectors, argnums=(0, 1, 2)), static_argnums=3)
    gradients = slopes(*QUERY, 1.0)
    q, p, n = QUERY
    for found, expected in zip(gradients, (n - p, p - q, q - n), strict=True):
        np.testing.assert_allclose(found / 2, expected, atol=1e-6)


def test_no_gradient_on_the_margin_itself():
    one = jnp.ones(1)
    slope = jax.grad(lambda p: triplet(p, one * 1.5, one, margin=0.5).value)(one)
    assert slope.tolist() == [0]


def test_no_violation_gives_value_0_and_count_0():
    far = triplet(jnp.zeros(3), jnp.ones(3), jnp.ones(3), average="violating")
    assert [float(x) for x in far] == [0, 0]


def test_soft_margin_of_far_apart_distances_is_finite():
    near, far = jnp.array([0.0, 500.0]), jnp.array([500.0, 0.0])
    found = triplet(near, far, jnp.ones(2), margin=None)
    assert float(found.value) == 250


def test_an_unknown_average_is_refused():
    unchecked = inspect.unwrap(triplet)  # as it is without the tests' type checks
    with pytest.raises(InputError, match="'some'.*all, violating"):
        unchecked(*[jnp.ones(1)] * 3, average="some")  # pyright: ignore
