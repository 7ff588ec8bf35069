"""What every re-ranker promises, whatever it does."""

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import Ranking
from jaxsim.rerank.base import Asked, Gallery, Reranker
from tests.contracts.rerankers import (
    DIMENSION,
    IMAGES,
    QUERIES,
    RERANKERS,
    RerankerCase,
)


def unit(rng, count):
    vectors = rng.standard_normal((count, DIMENSION))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


RNG = np.random.default_rng(0)
VECTORS = unit(RNG, IMAGES)
ASKED = Asked(unit(RNG, QUERIES), np.arange(QUERIES))
ALL = np.ones(IMAGES, bool)


@pytest.fixture(params=RERANKERS)
def case(request) -> RerankerCase:
    return RERANKERS[request.param]


def reranked(stage: Reranker, gallery: Gallery, *, k=IMAGES, asked=ASKED) -> Ranking:
    first = gallery.search(asked.vectors, k)
    return stage(asked, first, stage.prepare(gallery))[1]


def assert_complete(found: Ranking, live=ALL):
    """Every live row once, then missing ones; order and numbers are checked, too."""
    Ranking(found.ids, found.scores)
    expected = np.flatnonzero(live)
    for row, scores in zip(found.ids, found.scores, strict=True):
        np.testing.assert_array_equal(np.sort(row[: len(expected)]), expected)
        assert (row[len(expected) :] == -1).all()
        assert np.isfinite(scores[: len(expected)]).all()


def test_every_image_stays_once(case):
    stage = case.make(6)
    assert isinstance(stage, Reranker) and stage.reach >= 1
    found = reranked(stage, Gallery(VECTORS, ALL))
    assert_complete(found)
    first = Gallery(VECTORS, ALL).search(ASKED.vectors, IMAGES)
    assert case.nothing is not None or (found.ids != first.ids).any()


def test_the_length_is_kept(case):
    stage = case.make(3)
    found = reranked(stage, Gallery(VECTORS, ALL), k=9)
    assert found.ids.shape == (QUERIES, 9) and (found.ids >= 0).all()


def test_a_case_in_which_nothing_changes(case):
    if case.nothing is None:
        pytest.skip("this re-ranker always changes the order")
    gallery = Gallery(VECTORS, ALL)
    found = reranked(case.nothing(), gallery)
    expected = gallery.search(ASKED.vectors, IMAGES).ids
    np.testing.assert_array_equal(found.ids, expected)


def test_queries_do_not_know_of_each_other(case):
    stage, gallery = case.make(6), Gallery(VECTORS, ALL)
    together = reranked(stage, gallery)
    for row in range(QUERIES):
        one = Asked(ASKED.vectors[row : row + 1], ASKED.rows[row : row + 1])
        alone = reranked(stage, gallery, asked=one)
        np.testing.assert_allclose(
            alone.scores[0], together.scores[row], rtol=1e-4, atol=1e-5
        )


def test_no_queries_have_no_results(case):
    nobody = Asked(ASKED.vectors[:0], ASKED.rows[:0])
    gallery = Gallery(VECTORS, ALL)
    empty = Ranking(np.zeros((0, 9), np.int64), np.zeros((0, 9), np.float32))
    stage = case.make(3)
    assert stage(nobody, empty, stage.prepare(gallery))[1].ids.shape == (0, 9)


def test_rows_that_are_not_live_are_never_found(case):
    live = np.arange(IMAGES) % 3 > 0
    vectors = np.where(live[:, None], VECTORS, 0).astype(np.float32)
    assert_complete(reranked(case.make(6), Gallery(vectors, live)), live)


def test_more_neighbours_than_images(case):
    assert_complete(reranked(case.make(IMAGES), Gallery(VECTORS, ALL)))
    assert_complete(reranked(case.make(10 * IMAGES), Gallery(VECTORS, ALL)))


def test_duplicates(case):
    copies = np.repeat(VECTORS[:4], 10, axis=0)
    asked = Asked(np.repeat(VECTORS[:1], QUERIES, axis=0), ASKED.rows)
    assert_complete(reranked(case.make(3), Gallery(copies, ALL), asked=asked))


def test_an_image_far_from_all_and_two_parts_that_know_nothing_of_each_other(case):
    """No edges lead from one part to the other, whose cosines are 0."""
    half = np.zeros((IMAGES, DIMENSION), np.float32)
    half[:19, :3] = np.abs(VECTORS[:19, :3]) + 0.1
    half[19:38, 3:6] = np.abs(VECTORS[19:38, 3:6]) + 0.1
    half[38:, 7] = [1, -1]
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    asked = Asked(half[[0, 20, 38, 39, 1, 2, 3]], ASKED.rows)
    assert_complete(reranked(case.make(5), Gallery(half, ALL), asked=asked))


def test_similarities_below_zero(case):
    asked = Asked(-np.abs(ASKED.vectors), ASKED.rows)
    gallery = Gallery(np.abs(VECTORS), ALL)
    assert_complete(reranked(case.make(5), gallery, asked=asked))


def test_a_single_image(case):
    if not case.refuses:
        pytest.skip("its scores are of another collection")
    found = reranked(case.make(3), Gallery(VECTORS[:1], ALL[:1]), k=2)
    np.testing.assert_array_equal(found.ids, [[0, -1]] * QUERIES)


def test_descriptors_that_are_no_numbers_are_refused(case):
    if not case.refuses:
        pytest.skip("it does not look at descriptors")
    vectors = VECTORS.copy()
    vectors[3, 1] = np.nan
    with pytest.raises(InputError):
        reranked(case.make(5), Gallery(vectors, ALL), k=9)
