"""What every index promises, whatever its method."""

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from tests.contracts.indexes import (
    INDEXES,
    IndexCase,
    nearest,
    recall,
    unit_vectors,
)


@pytest.fixture(params=INDEXES)
def case(request) -> IndexCase:
    return INDEXES[request.param]


VECTORS, QUERIES = unit_vectors(300, 0), unit_vectors(5, 1)


def test_finds_the_nearest(case):
    index = case.build(VECTORS)
    assert (index.dimension, len(index)) == (16, 300)
    ranking = index.search(QUERIES, 10)
    assert ranking.ids.shape == (5, 10)
    assert recall(ranking.ids, nearest(VECTORS, QUERIES, 10)) >= case.recall


def test_scores_are_inner_products(case):
    index = case.build(VECTORS)
    ranking, kept = index.search(QUERIES, 4), case.kept(index, VECTORS)
    for query, ids, scores in zip(QUERIES, ranking.ids, ranking.scores, strict=True):
        np.testing.assert_allclose(scores, kept[ids] @ query, atol=1e-5)


def test_answers_the_same_after_a_way_through_the_disk(case, tmp_path):
    stored = case.reload(VECTORS, tmp_path / "index").search(QUERIES, 10)
    ranking = case.build(VECTORS).search(QUERIES, 10)
    np.testing.assert_array_equal(stored.ids, ranking.ids)
    np.testing.assert_allclose(stored.scores, ranking.scores, atol=1e-6)


def test_added_rows_are_found_by_the_ids_returned(case):
    index = case.build(VECTORS[:100])
    assert index.add(VECTORS[100:]).tolist() == list(range(100, 300))
    assert len(index) == 300
    assert index.search(VECTORS[[42, 250]], 1).ids.tolist() == [[42], [250]]


def test_deleted_rows_are_not_found(case):
    index = case.build(VECTORS)
    gone = nearest(VECTORS, QUERIES, 3)[:, 0]
    index.delete(gone)
    index.delete(gone)
    assert len(index) == 300 - len(set(gone))
    ranking = index.search(QUERIES, 300)
    assert not np.isin(ranking.ids, gone).any()
    assert index.add(VECTORS[:1]).tolist() == [300]
    assert not np.isin(index.search(QUERIES, 301).ids, gone).any()


def test_rows_that_never_were_cannot_be_deleted(case):
    index = case.build(VECTORS[:4])
    for row in (-1, 4):
        with pytest.raises(InputError, match="rows 0 to 3"):
            index.delete(np.array([0, row]))
    assert len(index) == 4


def test_results_beyond_the_last_row_are_missing(case):
    index = case.build(VECTORS[:3])
    index.delete(np.array([1]))
    ranking = index.search(QUERIES, 7)
    assert (ranking.ids[:, 2:] == -1).all()
    assert sorted(ranking.ids[0, :2]) == [0, 2]


def test_an_empty_index_answers(case):
    index = case.build(VECTORS[:0])
    assert len(index) == 0
    assert (index.search(QUERIES, 2).ids == -1).all()
    index.add(VECTORS[:2])
    assert index.search(VECTORS[1:2], 1).ids.tolist() == [[1]]


def test_no_queries_give_no_answers(case):
    assert case.build(VECTORS).search(QUERIES[:0], 3).ids.shape == (0, 3)


def test_duplicates_are_ordered_by_id(case):
    index = case.build(np.repeat(VECTORS[:4], 8, axis=0))
    ranking = index.search(VECTORS[2:3], 8)
    assert ranking.ids.tolist() == [list(range(16, 24))]


@pytest.mark.parametrize(
    ("queries", "message"),
    [
        (QUERIES[:, :7], r"queries have shape \[5, 7\].*\[rows, 16\]"),
        (QUERIES[0], r"queries have shape \[16\]"),
        (QUERIES.astype(np.float64), "queries are float64.*float32"),
        (np.where(np.arange(5)[:, None] > 2, np.nan, QUERIES), r"2 of 5.*rows 3, 4"),
        (np.where(np.arange(5)[:, None] == 1, np.inf, QUERIES), r"1 of 5.*rows 1\)"),
    ],
)
def test_vectors_that_cannot_be_used_are_explained(case, queries, message):
    index = case.build(VECTORS)
    with pytest.raises(InputError, match=message):
        index.search(queries, 3)
    with pytest.raises(InputError, match=message.replace("queries", "vectors")):
        index.add(queries)
    assert len(index) == 300


def test_at_least_one_result_is_asked_for(case):
    with pytest.raises(InputError, match="k is 0"):
        case.build(VECTORS).search(QUERIES, 0)
