"""The listwise loss against a published number, loops, and AP itself."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.losses.average_precision import average_precision
from jaxsim.metrics.average_precision import average_precision_finite

# As in training; and its many small steps take long one by one.
jitted = jax.jit(average_precision, static_argnames=("bins", "low", "high"))
GENERATOR = np.random.default_rng(0)
SCORES = GENERATOR.uniform(-1.1, 1.1, (4, 15)).astype(np.float32)
RELEVANT = GENERATOR.random((4, 15)) < 0.3
COUNTED = GENERATOR.random((4, 15)) < 0.8
RELEVANT[2] = False


def naive(scores, relevant, bins, low, high):
    """Follows the definition for one query: bins from the highest score down."""
    width = (high - low) / (bins - 1)

    def share(score, m):
        centre = high - m * width
        if (m == 0 and score > high) or (m == bins - 1 and score < low):
            return 1.0
        return max(0.0, 1 - abs(float(score) - centre) / width)

    above = positives_above = total = 0.0
    for m in range(bins):
        shares = [share(score, m) for score in scores]
        positives = sum(s for s, r in zip(shares, relevant, strict=True) if r)
        above += sum(shares)
        positives_above += positives
        if above > 0:
            total += positives_above / above * positives
    return 1 - total / sum(relevant)


def test_published_example():
    found = jitted(
        jnp.array([[0.91, 0.7, 0.52, 0.3, -0.1]]),
        jnp.array([[True, False, True, False, False]]),
        jnp.ones((1, 5), bool),
    )
    assert float(found.value) == pytest.approx(0.183441, abs=1e-6)
    assert float(found.count) == 1


@pytest.mark.parametrize(
    ("bins", "low", "high"), [(25, 0.0, 1.0), (2, -0.5, 0.5), (40, -1.0, 1.0)]
)
def test_equals_the_loop_over_queries_that_have_positives(bins, low, high):
    found = jitted(
        *map(jnp.asarray, (SCORES, RELEVANT, COUNTED)), bins=bins, low=low, high=high
    )
    losses = [
        naive(scores[counted], relevant[counted], bins, low, high)
        for scores, relevant, counted in zip(SCORES, RELEVANT, COUNTED, strict=True)
        if (relevant & counted).any()
    ]
    assert float(found.count) == len(losses) == 3
    assert float(found.value) == pytest.approx(np.mean(losses), abs=1e-5)


def test_with_many_bins_it_is_the_metric():
    scores = GENERATOR.permutation(20).astype(np.float32)[None] / 20
    relevant = GENERATOR.random((1, 20)) < 0.3
    found = jitted(
        jnp.asarray(scores), jnp.asarray(relevant), jnp.ones((1, 20), bool), bins=201
    )
    ranks = np.flatnonzero(relevant[0][np.argsort(-scores[0])])
    expected = 1 - average_precision_finite(ranks, len(ranks))
    assert float(found.value) == pytest.approx(expected, abs=1e-4)


def test_gradient_raises_positives_and_lowers_negatives():
    def loss(scores):
        relevant = jnp.array([[False, True, False]])
        return jitted(scores, relevant, jnp.ones((1, 3), bool)).value

    slope = jax.grad(loss)(jnp.array([[0.615, 0.605, 0.59]]))[0]
    assert slope[0] > 0 > slope[1]
    assert slope[2] > 0


def test_gradient_is_the_slope_of_the_value():
    relevant, counted = jnp.asarray(RELEVANT), jnp.asarray(COUNTED)
    direction = jnp.asarray(GENERATOR.standard_normal(SCORES.shape), jnp.float32)
    scores = jnp.asarray(SCORES)

    def loss(step):
        return jitted(
            scores + step * direction, relevant, counted, bins=4, low=-2.0, high=2.0
        ).value

    step = 1e-3
    numerical = (loss(step) - loss(-step)) / (2 * step)
    assert float(jax.grad(loss)(0.0)) == pytest.approx(float(numerical), abs=1e-3)
    assert abs(float(numerical)) > 1e-2


@pytest.mark.parametrize("options", [{"bins": 1}, {"low": 1.0}, {"high": -1.0}])
def test_impossible_bins_are_refused(options):
    arrays = map(jnp.asarray, (SCORES, RELEVANT, COUNTED))
    with pytest.raises(InputError, match="at least 2, and low < high"):
        average_precision(*arrays, **options)
