"""Matching against loops over all pairs of descriptors."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.geometry.matching import match


def unit(rng, count, dimension=16):
    vectors = rng.standard_normal((count, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def by_loops(query, database, ratio):
    """Returns {query row: database row} of the clear matches."""
    found = {}
    for i, a in enumerate(query):
        apart = [float(np.linalg.norm(a - b)) for b in database]
        order = np.argsort(apart, kind="stable")
        if len(order) > 1 and apart[order[0]] < ratio * apart[order[1]]:
            found[i] = int(order[0])
    return found


def matches(query, database, query_valid=None, database_valid=None, ratio=0.8):
    query_valid = np.ones(len(query), bool) if query_valid is None else query_valid
    if database_valid is None:
        database_valid = np.ones(len(database), bool)
    at, clear = match(query, database, query_valid, database_valid, ratio=ratio)
    rows = np.flatnonzero(clear)
    return dict(zip(rows.tolist(), np.asarray(at)[rows].tolist(), strict=True))


@pytest.mark.parametrize("rows", [2, 3, 16, 17, 40, 64, 300])
@pytest.mark.parametrize("ratio", [0.8, 0.95])
def test_equals_a_loop(rows, ratio):
    rng = np.random.default_rng(rows)
    database = unit(rng, rows)
    query = unit(rng, 25)
    # Half the queries are noisy copies of what they should match.
    query[::2] = database[rng.integers(0, rows, 13)] + 0.05 * unit(rng, 13)
    query /= np.linalg.norm(query, axis=1, keepdims=True)
    expected = by_loops(query, database, ratio)
    assert len(expected) >= 8
    assert matches(query, database, ratio=ratio) == expected


def test_filling_changes_nothing():
    rng = np.random.default_rng(0)
    query, database = unit(rng, 20), unit(rng, 30)
    query[:10] = database[10:20]
    alone = matches(query, database)
    assert len(alone) >= 10
    # The filling would match, were it taken for real.
    more_query = np.concatenate([query, database[:12]])
    more_database = np.concatenate([database, query[: 34 - 10]])[:52]
    found = matches(
        more_query,
        more_database,
        np.arange(32) < 20,
        np.arange(len(more_database)) < 30,
    )
    assert found == alone


@pytest.mark.parametrize("rows", [0, 1])
def test_a_lone_candidate_is_not_clear(rows):
    vectors = unit(np.random.default_rng(0), 4)
    assert matches(vectors, vectors, database_valid=np.arange(4) < rows) == {}
    assert matches(vectors, vectors[:rows]) == {}


def test_two_equal_candidates_are_not_clear():
    vectors = unit(np.random.default_rng(0), 3)
    assert matches(vectors[:1], vectors[[0, 0, 1]]) == {}
    assert matches(vectors[:1], vectors[[1, 0, 2]]) == {0: 1}


def test_bfloat16_descriptors_are_compared_in_float32():
    rng = np.random.default_rng(3)
    query, database = unit(rng, 8), unit(rng, 8)
    narrow = jnp.asarray(query, jnp.bfloat16), jnp.asarray(database, jnp.bfloat16)
    wide = [x.astype(jnp.float32) for x in narrow]
    assert matches(*narrow) == matches(*wide)
