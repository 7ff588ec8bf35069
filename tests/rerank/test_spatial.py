"""Spatial verification: who moves up, who stays, and what never changes."""

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import Ranking
from jaxsim.rerank.base import Asked, Gallery, below
from jaxsim.rerank.pairs import PairVerifier
from jaxsim.rerank.spatial import SpatialVerification
from tests.rerank.features import random_features, seen_from_elsewhere

ROWS = 12
RNG = np.random.default_rng(0)
QUERIES = [random_features(RNG), random_features(RNG)]
# Row 7 shows what the first query shows, row 5 what the second does.
DATABASE = [random_features(RNG) for _ in range(ROWS)]
DATABASE[7] = seen_from_elsewhere(RNG, QUERIES[0], 40)
DATABASE[5] = seen_from_elsewhere(RNG, QUERIES[1], 30)

GALLERY = Gallery(np.zeros((ROWS, 4), np.float32), np.ones(ROWS, bool))
ASKED = Asked(np.zeros((2, 4), np.float32), np.arange(2))
SCORES = np.linspace(0.5, 0.4, ROWS, dtype=np.float32)[None].repeat(2, axis=0)
FIRST = Ranking(np.arange(ROWS)[None].repeat(2, axis=0), SCORES)


def stage(**options):
    given = {"query_features": QUERIES.__getitem__, "samples": 2048}
    return SpatialVerification(
        **given | {"database_features": DATABASE.__getitem__} | options
    )


def rerank(ranking=FIRST, asked=ASKED, **options):
    found = stage(**options)
    again, result = found(asked, ranking, found.prepare(GALLERY))
    assert again is asked
    return result


def test_what_shows_the_same_comes_first_by_the_fused_score():
    found = rerank()
    assert found.ids[:, 0].tolist() == [7, 5]
    for i, query in enumerate(QUERIES):
        counts = {
            id: PairVerifier(samples=2048).verify([(query, DATABASE[id])])[0].count
            for id in range(ROWS)
        }
        assert counts[found.ids[i, 0]] >= 30
        for id, score in zip(found.ids[i].tolist(), found.scores[i], strict=True):
            assert score == pytest.approx(SCORES[i, id] + 0.01 * counts[id], abs=1e-6)


VECTORS = RNG.standard_normal((ROWS, 4)).astype(np.float32)
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)
NAMED = Asked(VECTORS[[3, 8]], np.arange(2))


@pytest.mark.parametrize("scale", [1e-6, 1, 1e6])
@pytest.mark.parametrize("top", [8, ROWS])
def test_scores_of_other_stages_choose_what_is_verified_and_count_no_more(scale, top):
    diffused = Ranking(FIRST.ids, SCORES * np.float32(scale))
    found = stage(fused_with="descriptors", top=top)
    _, result = found(NAMED, diffused, Gallery(VECTORS, np.ones(ROWS, bool)))
    for i, query in enumerate(QUERIES):
        expected = {}
        for id in range(top):
            cosine = sum(
                float(a) * float(b)
                for a, b in zip(NAMED.vectors[i], VECTORS[id], strict=True)
            )
            agreement = PairVerifier(samples=2048).verify([(query, DATABASE[id])])[0]
            expected[id] = cosine + 0.01 * agreement.count
        order = sorted(expected, key=lambda id: -expected[id])
        assert result.ids[i].tolist() == [*order, *range(top, ROWS)]
        np.testing.assert_allclose(
            result.scores[i, :top], [expected[id] for id in order], atol=1e-6
        )
    assert (np.diff(result.scores, axis=1) <= 0).all()


def test_descriptors_change_nothing_where_their_scores_are_there_already():
    scores = NAMED.vectors @ VECTORS.T
    ranking = Ranking.from_scores(FIRST.ids, scores)
    gallery = Gallery(VECTORS, np.ones(ROWS, bool))
    plain = stage(top=8)(NAMED, ranking, gallery)[1]
    again = stage(top=8, fused_with="descriptors")(NAMED, ranking, gallery)[1]
    np.testing.assert_array_equal(again.ids, plain.ids)
    np.testing.assert_allclose(again.scores[:, :8], plain.scores[:, :8], atol=1e-6)


def test_scores_that_rounding_makes_equal_are_ordered_by_ids():
    top = Ranking(np.array([[0]]), np.float32([[-1.0]]))
    whole = Ranking(np.array([[0, 4, 3]]), np.float32([[3e-8, 2e-8, 1e-8]]))
    assert below(top, whole, 1).ids.tolist() == [[3, 4]]
    apart = Ranking(whole.ids, np.float32([[0.3, 0.2, 0.1]]))
    assert below(top, apart, 1).ids.tolist() == [[4, 3]]


def test_missing_results_stay_missing_after_other_stages():
    ids, scores = FIRST.ids.copy(), FIRST.scores.copy() * 100
    ids[0, 6:], scores[0, 6:] = -1, -np.inf
    ids[1], scores[1] = -1, -np.inf
    found = rerank(Ranking(ids, scores), fused_with="descriptors", top=9)
    assert sorted(found.ids[0, :6].tolist()) == list(range(6))
    np.testing.assert_array_equal(found.ids[:, 6:], ids[:, 6:])
    np.testing.assert_array_equal(found.ids[1], ids[1])


@pytest.mark.parametrize("top", [1, 6, 8, ROWS, 50])
def test_the_first_part_keeps_its_ids_and_the_rest_its_places(top):
    found = rerank(top=top)
    assert found.ids.shape == (2, ROWS)
    kept = np.sort(found.ids[:, :top], axis=1)
    np.testing.assert_array_equal(kept, FIRST.ids[:, :top])
    np.testing.assert_array_equal(found.ids[:, top:], FIRST.ids[:, top:])
    np.testing.assert_array_equal(found.scores[:, top:], FIRST.scores[:, top:])
    assert (np.diff(found.scores, axis=1) <= 0).all()
    assert (found.ids[0, 0] == 7) == (top >= 8)


def test_missing_results_stay_missing_and_are_not_looked_at():
    ids, scores = FIRST.ids.copy(), FIRST.scores.copy()
    ids[0, 8:], scores[0, 8:] = -1, -np.inf
    ids[1], scores[1] = -1, -np.inf
    found = rerank(Ranking(ids, scores))
    assert found.ids[0, 0] == 7
    np.testing.assert_array_equal(found.ids[:, 8:], ids[:, 8:])
    np.testing.assert_array_equal(found.ids[1], ids[1])


def test_without_matches_nothing_changes():
    for empty in (random_features(RNG, 0), random_features(RNG, 2)):
        found = rerank(query_features=lambda row, empty=empty: empty)
        np.testing.assert_array_equal(found.ids, FIRST.ids)
        np.testing.assert_array_equal(found.scores, FIRST.scores)


def test_results_of_equal_score_stay_in_the_order_of_ids():
    level = Ranking(FIRST.ids, np.full_like(SCORES, 0.5))
    empty = random_features(RNG, 0)
    found = rerank(level, query_features=lambda row: empty, top=5)
    np.testing.assert_array_equal(found.ids, FIRST.ids)


def test_queries_are_known_by_their_rows():
    second = Asked(ASKED.vectors[:1], np.array([1]))
    found = rerank(Ranking(FIRST.ids[:1], FIRST.scores[:1]), second)
    np.testing.assert_array_equal(found.ids[0], rerank().ids[1])
    np.testing.assert_array_equal(found.scores[0], rerank().scores[1])


@pytest.mark.parametrize(
    "options",
    [{"top": 0}, {"per_inlier": -0.1}, {"per_inlier": np.nan}, {"ratio": 2.0}],
)
def test_options_out_of_range(options):
    with pytest.raises(InputError, match="verification needs"):
        stage(**options)
