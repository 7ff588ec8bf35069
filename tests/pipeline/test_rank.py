"""Complete rankings: order, ties, missing images, and faiss' against ours."""

import sys

import numpy as np
import pytest

from jaxsim.core.errors import InputError, MissingExtraError
from jaxsim.index.complete import rank_all
from jaxsim.pipeline.embed import Embedding
from jaxsim.pipeline.rank import complete_rankings


def test_order_ties_and_missing_images():
    database = np.array([[1, 0], [0, 1], [1, 0], [0.6, 0.8]], np.float32)
    queries = np.array([[1, 0], [0, 1]], np.float32)
    ranking = rank_all(
        queries,
        database,
        queries_found=np.array([True, False]),
        database_found=np.array([True, True, True, False]),
    )
    assert ranking.ids.tolist() == [[0, 2, 1, -1], [-1, -1, -1, -1]]
    np.testing.assert_allclose(ranking.scores[0, :3], [1, 1, 0])


def by_distance(queries, database):
    found = [np.ones(len(vectors), bool) for vectors in (queries, database)]
    return rank_all(
        queries,
        database,
        queries_found=found[0],
        database_found=found[1],
        comparison="distance",
    )


def test_distances_are_those_of_a_plain_loop():
    random = np.random.default_rng(0)
    queries = random.normal(0, 3, (4, 5)).astype(np.float32)
    database = random.normal(0, 3, (9, 5)).astype(np.float32)
    ranking = by_distance(queries, database)
    for q, ids, scores in zip(queries, ranking.ids, ranking.scores, strict=True):
        scored = [
            (sum((float(a) - float(b)) ** 2 for a, b in zip(q, d, strict=True)), i)
            for i, d in enumerate(database)
        ]
        assert ids.tolist() == [i for _, i in sorted(scored)]
        np.testing.assert_allclose(-scores, sorted(s for s, _ in scored), rtol=1e-6)
    # The longest vector has the largest inner product, but is not the nearest.
    far = np.array([[9, 0], [1.5, 0]], np.float32)
    assert by_distance(far[1:], far).ids.tolist() == [[1, 0]]


def test_near_vectors_far_from_the_origin_are_told_apart():
    steps = np.array([[3, 0, 1, 2]], np.float32).T / 64
    database = np.concatenate([np.full((4, 1), 4096, np.float32), 4096 + steps], axis=1)
    ranking = by_distance(database[1:2], database)
    assert ranking.ids.tolist() == [[1, 2, 3, 0]]
    np.testing.assert_array_equal(-ranking.scores[0] * 64**2, [0, 1, 4, 9])


def embedding(count, *, seed, missing=(), unit):
    vectors = np.random.default_rng(seed).normal(size=(count, 12)).astype(np.float32)
    vectors[count // 2] = vectors[0]
    if unit:
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = np.ones(count, bool)
    found[list(missing)] = False
    vectors[~found] = 0
    return Embedding(vectors=vectors, found=found, rejects=())


@pytest.mark.parametrize("comparison", ["cosine", "distance"])
def test_faiss_agrees_up_to_ties(comparison):
    pytest.importorskip("faiss")
    unit = comparison == "cosine"
    database = embedding(300, seed=1, missing=(3, 299), unit=unit)
    queries = embedding(40, seed=2, missing=(5,), unit=unit)
    rows = np.arange(40)
    ours, theirs = (
        complete_rankings(queries, database, comparison=comparison, search=search)(rows)
        for search in ("exact", "faiss")
    )
    np.testing.assert_array_equal(ours.ids == -1, theirs.ids == -1)
    assert (ours.ids[5] == -1).all() and (ours.ids[0] == -1).sum() == 2
    for row in np.delete(rows, 5).tolist():
        same_up_to_ties(ours.ids[row, :298], ours.scores[row], theirs.ids[row, :298])
        np.testing.assert_allclose(
            theirs.scores[row, :298], ours.scores[row, :298], rtol=1e-5, atol=1e-5
        )
    # Two equal vectors, in order of their rows.
    places = [np.flatnonzero(np.isin(r.ids[0], (0, 150))) for r in (ours, theirs)]
    assert places[0].tolist() == places[1].tolist()
    assert theirs.ids[0, places[1]].tolist() == [0, 150]


def same_up_to_ties(ids, scores, other):
    """Asserts that what changed places has almost equal scores."""
    score_of = dict(zip(ids.tolist(), scores.tolist(), strict=False))
    assert sorted(other.tolist()) == sorted(score_of)
    for place, row in enumerate(other.tolist()):
        assert score_of[row] == pytest.approx(float(scores[place]), abs=1e-5)


def test_nothing_is_found_where_nothing_is_usable():
    pytest.importorskip("faiss")
    database = embedding(4, seed=0, missing=range(4), unit=True)
    queries = embedding(2, seed=1, unit=True)
    rank = complete_rankings(queries, database, comparison="cosine", search="faiss")
    assert (rank(np.arange(2)).ids == -1).all()


def test_without_faiss_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "faiss", None)
    images = embedding(4, seed=0, unit=True)
    with pytest.raises(MissingExtraError, match=r"jaxsim\[faiss\]"):
        complete_rankings(images, images, comparison="cosine", search="faiss")


def test_devices_rank_as_numpy_does():
    random = np.random.default_rng(0)
    vectors = random.integers(-2, 3, (61, 5)).astype(np.float32)
    found = random.random(61) < 0.8
    images = Embedding(vectors=vectors, found=found, rejects=())
    rows = np.arange(10)
    rankings = [
        complete_rankings(images, images, comparison="cosine", search=search)(rows)
        for search in ("exact", "sharded")
    ]
    np.testing.assert_array_equal(rankings[1].ids, rankings[0].ids)
    np.testing.assert_array_equal(rankings[1].scores, rankings[0].scores)
    with pytest.raises(InputError, match="compared by distance"):
        complete_rankings(images, images, comparison="distance", search="sharded")
