"""Neighbours against a sort in plain Python."""

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.ops import neighbours as module
from jaxsim.ops.neighbours import nearest_neighbours, self_neighbours


def whole_numbers(rows, seed=0, dim=4):
    """Vectors whose products are exact, so that ties are real."""
    random = np.random.default_rng(seed)
    return random.integers(-3, 4, (rows, dim)).astype(np.float32)


def sorted_ids(query, database, k, skip=()):
    rows = [i for i in range(len(database)) if i not in skip]
    rows.sort(key=lambda i: (-float(query @ database[i]), i))
    missing = [-1] * (len(database) - len(rows))
    return (rows + missing)[:k]


@pytest.mark.parametrize("k", [1, 4, 50, 10**23])
@pytest.mark.parametrize("sizes", [(7, 16), (1024, 8192)])
def test_nearest_is_a_stable_sort_for_every_block(k, sizes, monkeypatch):
    monkeypatch.setattr(module, "_QUERY_ROWS", sizes[0])
    monkeypatch.setattr(module, "_DATABASE_ROWS", sizes[1])
    monkeypatch.setattr(module, "_SMALLEST_BLOCK", 1)
    queries, database = whole_numbers(17), whole_numbers(40, seed=1)
    ids, scores = nearest_neighbours(queries, database, k)
    assert ids.shape == (17, min(k, 40))
    for query, found, values in zip(queries, ids, scores, strict=True):
        assert found.tolist() == sorted_ids(query, database, k)
        known = found >= 0
        np.testing.assert_array_equal(values[known], database[found[known]] @ query)
        assert np.isneginf(values[~known]).all()


def test_a_row_is_its_own_first_neighbour_even_among_copies():
    vectors = np.repeat(whole_numbers(5), 4, axis=0)
    ids, scores = self_neighbours(vectors, 3)
    assert ids[:, 0].tolist() == list(range(20))
    np.testing.assert_array_equal(scores[:, 0], (vectors**2).sum(axis=1))
    for row in range(20):
        assert ids[row, 1:].tolist() == sorted_ids(vectors[row], vectors, 2, {row})


def test_rows_that_are_not_live_find_and_are_found_by_nobody():
    vectors = whole_numbers(12)
    live = np.arange(12) % 3 > 0
    ids, scores = self_neighbours(vectors, 12, live=live)
    dead = set(np.flatnonzero(~live).tolist())
    assert (ids[~live] == -1).all() and np.isneginf(scores[~live]).all()
    for row in np.flatnonzero(live).tolist():
        expected = sorted_ids(vectors[row], vectors, 11, {row} | dead)
        assert ids[row].tolist() == [row, *expected]
    found = nearest_neighbours(vectors[:1], vectors, 12, live=live).ids[0]
    assert set(found[found >= 0].tolist()) == set(range(12)) - dead


def test_alone():
    one = np.ones((1, 2), np.float32)
    assert self_neighbours(one, 1).ids.tolist() == [[0]]
    assert self_neighbours(one, 3).ids.tolist() == [[0]]


def test_lists_are_as_long_as_there_are_rows():
    vectors = whole_numbers(6)
    for k in (6, 7, 10**23):
        ids, scores = self_neighbours(vectors, k)
        assert ids.shape == scores.shape == (6, 6)
        for row in range(6):
            assert ids[row].tolist() == [
                row,
                *sorted_ids(vectors[row], vectors, 5, {row}),
            ]
    live = np.arange(6) != 2
    ids = self_neighbours(vectors, 10**23, live=live).ids
    assert ids.shape == (6, 6) and (ids[live, -1] == -1).all()


def test_nothing():
    nobody = np.zeros((0, 3), np.float32)
    assert self_neighbours(nobody, 2).ids.shape == (0, 1)
    found = nearest_neighbours(np.ones((2, 3), np.float32), nobody, 2)
    assert found.ids.tolist() == [[-1], [-1]]


def test_bad_input():
    good = whole_numbers(4)
    bad = good.copy()
    bad[2, 1] = np.nan
    with pytest.raises(InputError, match="k >= 1"):
        self_neighbours(good, 0)
    with pytest.raises(InputError, match="k >= 1"):
        nearest_neighbours(good, good, 0)
    with pytest.raises(InputError, match="row 2 of the .* NaN"):
        self_neighbours(bad, 1)
    with pytest.raises(InputError, match="row 2 of the database"):
        nearest_neighbours(good, bad, 3)
    with pytest.raises(InputError, match="row 2 of the queries"):
        nearest_neighbours(bad, good, 3)
    with pytest.raises(InputError, match="dimensions"):
        nearest_neighbours(good, good[:, :2], 3)
    with pytest.raises(InputError, match="live"):
        nearest_neighbours(good, good, 3, live=np.ones(3, bool))
