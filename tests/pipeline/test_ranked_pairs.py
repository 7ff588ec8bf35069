"""Pairs drawn from judgements, and their scores by rankings of other units."""

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import Ranking
from jaxsim.pipeline.ranked_pairs import draw_pairs, write_scores

JUDGED = {
    0: (np.array([3, 4]), np.array([0])),
    2: (np.array([1]), np.array([2, 5])),
    3: (np.array([], int), np.array([3])),
}


def drawn(**options):
    return draw_pairs(JUDGED, 8, np.random.default_rng(0), **options)


def test_as_many_pairs_match_as_not_and_none_is_ignored():
    pairs = drawn()
    assert pairs.queries.tolist() == [0, 0, 0, 0, 2, 2]
    assert pairs.matching.tolist() == [True, True, False, False, True, False]
    for query, image, match in zip(
        pairs.queries.tolist(), pairs.images.tolist(), pairs.matching, strict=True
    ):
        right, ignored = JUDGED[query]
        assert (image in right) == match and image not in ignored
    assert len(drawn(per_query=1).images) == 4


def test_scores_go_from_the_least_to_the_largest_of_a_query():
    pairs = drawn()
    scores = np.full(len(pairs.images), np.nan, np.float32)
    ids = np.array([[0, 1, 2, 3, 4, 5, 6, -1], [2, 1, 0, 3, 4, 5, 6, 7]])
    found = np.array(
        [
            [99, 50, 40, 30, 20, 15, 10, -np.inf],
            [9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2],
        ],
        np.float32,
    )
    write_scores(scores, pairs, np.array([0, 2]), Ranking(ids, found))
    by_pair = {
        (q, i): float(s)
        for q, i, s in zip(pairs.queries, pairs.images, scores, strict=True)
    }
    assert by_pair[0, 3] == pytest.approx(0.5)  # the query itself is left out
    assert by_pair[0, 4] == pytest.approx(0.25)
    assert by_pair[2, 1] == pytest.approx(1.0)
    for (_, image), score in by_pair.items():
        assert 0 <= score <= 1 or image == 7


def test_nothing_to_compare_is_refused():
    with pytest.raises(InputError, match="both a right and a wrong image"):
        draw_pairs({3: JUDGED[3]}, 8, np.random.default_rng(0))
    with pytest.raises(InputError, match="both a right and a wrong image"):
        draw_pairs({}, 8, np.random.default_rng(0))
