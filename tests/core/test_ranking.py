"""A ranking refuses to be wrong."""

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import Ranking


def ranking(ids, scores):
    return Ranking(np.array(ids, np.int64), np.array(scores, np.float32))


@pytest.mark.parametrize(
    "ids, scores, message",
    [
        ([[0, 1]], [[0.1, 0.2]], "must not rise"),
        ([[1, 0]], [[0.2, 0.2]], "rising id"),
        ([[1, 1]], [[0.3, 0.2]], "twice"),
        ([[0, 1]], [[0.3, np.nan]], "NaN"),
        ([[0, -1]], [[0.3, 0.2]], "missing"),
        ([[0, 1]], [[0.3, -np.inf]], "missing"),
    ],
)
def test_wrong_rankings_are_refused(ids, scores, message):
    with pytest.raises(InputError, match=message):
        ranking(ids, scores)


def test_shapes_must_agree():
    with pytest.raises(InputError, match="one shape"):
        Ranking.__post_init__(
            type("Fake", (), {"ids": np.zeros((1, 2)), "scores": np.zeros((1, 3))})()
        )


def test_missing_results_may_end_a_row():
    assert ranking([[2, -1, -1]], [[0.5, -np.inf, -np.inf]]).ids[0, 0] == 2


def test_candidates_are_sorted_by_score_then_id():
    found = Ranking.from_scores(
        np.array([[7, 3, -1, 5]]), np.array([[0.5, 0.5, 9.0, 0.9]]), k=4
    )
    assert found.ids.tolist() == [[5, 3, 7, -1]]
    assert found.scores[0, 3] == -np.inf
