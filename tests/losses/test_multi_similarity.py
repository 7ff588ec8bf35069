"""The multi-similarity loss against loops over anchors and pairs."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.losses.multi_similarity import multi_similarity
from jaxsim.ops.pairs import pairs_of_labels

# As in training; and its many small steps take long one by one.
jitted = jax.jit(multi_similarity, static_argnames=("alpha", "beta", "base", "epsilon"))
GENERATOR = np.random.default_rng(0)
VECTORS = GENERATOR.standard_normal((12, 4))
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)
SCORES = (VECTORS @ VECTORS.T).astype(np.float32)
LABELS = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 3, 4, 4])  # 3 stands alone


def naive(scores, labels, alpha, beta, base, epsilon):
    terms = []
    for i, row in enumerate(scores.astype(float)):
        others = [j for j in range(len(labels)) if j != i]
        positives = [row[j] for j in others if labels[j] == labels[i]]
        negatives = [row[j] for j in others if labels[j] != labels[i]]
        if not positives or not negatives:
            continue
        kept_positives = [s for s in positives if s - epsilon < max(negatives)]
        kept_negatives = [s for s in negatives if s + epsilon > min(positives)]
        pull = sum(math.exp(-alpha * (s - base)) for s in kept_positives)
        push = sum(math.exp(beta * (s - base)) for s in kept_negatives)
        terms.append(math.log(1 + pull) / alpha + math.log(1 + push) / beta)
    return terms


@pytest.mark.parametrize(
    "options",
    [
        {"alpha": 2.0, "beta": 50.0, "base": 0.5, "epsilon": 0.1},
        {"alpha": 1.0, "beta": 10.0, "base": 0.2, "epsilon": -0.2},
        {"alpha": 3.0, "beta": 5.0, "base": -0.3, "epsilon": 4.0},
    ],
)
def test_equals_the_loop(options):
    found = jitted(
        jnp.asarray(SCORES), *pairs_of_labels(jnp.asarray(LABELS)), **options
    )
    terms = naive(SCORES, LABELS, **options)
    assert float(found.count) == len(terms) == 11
    assert float(found.value) == pytest.approx(np.mean(terms), rel=1e-5)


def test_defaults_are_the_papers():
    found = jitted(jnp.asarray(SCORES), *pairs_of_labels(jnp.asarray(LABELS)))
    expected = np.mean(naive(SCORES, LABELS, 2.0, 50.0, 0.5, 0.1))
    assert float(found.value) == pytest.approx(expected, rel=1e-5)


def test_well_separated_labels_lose_nothing():
    labels = jnp.array([0, 0, 1, 1])
    pairs = pairs_of_labels(labels)
    scores = jnp.where(pairs.relevant, 0.9, 0.1)
    value, slope = jax.value_and_grad(lambda s: jitted(s, *pairs).value)(scores)
    assert float(value) == 0
    assert not np.any(slope)


def test_large_exponents_do_not_overflow():
    pairs = pairs_of_labels(jnp.array([0, 0, 1, 1]))
    scores = jnp.where(pairs.relevant, -1.0, 1.0)
    found = jitted(scores, *pairs, beta=1000.0)
    assert float(found.value) == pytest.approx(
        math.log(1 + math.exp(3)) / 2 + (500 + math.log(2)) / 1000, rel=1e-5
    )
