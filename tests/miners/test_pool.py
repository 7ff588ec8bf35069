"""Pool mining against a loop over all triplets."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.miners.pool import hardest_triplets
from tests.miners.batches import negatives, positives

GENERATOR = np.random.default_rng(0)
VECTORS = GENERATOR.integers(-3, 4, (40, 3)).astype(np.float32)  # exact, with ties
LABELS = GENERATOR.integers(0, 7, 40).astype(np.int32)
LABELS[5] = 99  # stands alone


def naive(vectors, labels, query, hardest, margin):
    """Forms every triplet of a query and sorts them as the function promises."""
    apart = ((vectors - vectors[query]) ** 2).sum(axis=1)
    triplets = [
        (margin + apart[p] - apart[n], p, n)
        for p in positives(labels, query)
        for n in negatives(labels, query)
        if margin + apart[p] - apart[n] > 0
    ]
    triplets.sort(key=lambda t: (-t[0], -apart[t[1]], t[1], t[2]))
    return [(query, p, n) for _, p, n in triplets[:hardest]]


def counted(triplets, row):
    fields = zip(*(np.asarray(x)[row].tolist() for x in triplets), strict=True)
    return [(a, p, n) for a, p, n, weight in fields if weight > 0]


@pytest.mark.parametrize(
    ("hardest", "margin", "block_queries"),
    [(1, 0.5, 256), (4, 0.5, 7), (25, 0.5, 3), (25, -20.0, 256)],
)
def test_equals_the_loop_over_all_triplets(hardest, margin, block_queries):
    queries = np.array([0, 5, 39, 12, 3, 3, 8, 21, 17], np.int32)
    found = hardest_triplets(
        jnp.asarray(VECTORS),
        jnp.asarray(LABELS),
        jnp.asarray(queries),
        hardest=hardest,
        margin=margin,
        block_queries=block_queries,
    )
    assert found.weight.shape == (len(queries), hardest)
    for row, query in enumerate(queries):
        expected = naive(VECTORS, LABELS, query, hardest, margin)
        assert counted(found, row) == expected


@pytest.mark.parametrize("count", [1, 2, 6])
def test_a_pool_smaller_than_the_answer_is_filled_up(count):
    labels = np.arange(count) % 2
    found = hardest_triplets(
        jnp.asarray(VECTORS[:count]),
        jnp.asarray(labels),
        jnp.arange(count),
        hardest=30,
        margin=100.0,
    )
    assert found.weight.shape == (count, 30)
    for row in range(count):
        expected = naive(VECTORS[:count], labels, row, 30, 100.0)
        assert counted(found, row) == expected
    for field in found[:3]:
        assert (np.asarray(field) >= 0).all()
        assert (np.asarray(field) < count).all()


def test_no_queries_give_no_triplets():
    found = hardest_triplets(
        jnp.asarray(VECTORS), jnp.asarray(LABELS), jnp.zeros(0, jnp.int32), hardest=4
    )
    assert found.anchor.shape == (0, 4)


def test_at_least_one_triplet_is_asked_for():
    with pytest.raises(InputError, match="at least 1"):
        hardest_triplets(
            jnp.asarray(VECTORS), jnp.asarray(LABELS), jnp.arange(2), hardest=0
        )
