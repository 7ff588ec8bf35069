import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxsim.metrics.average_precision import (
    average_precision_finite,
    average_precision_trapezoid,
)

RANKED = st.lists(st.booleans(), min_size=1, max_size=30)
NOT_FOUND = st.integers(0, 4)


def walk_trapezoid(ranked: list[bool], total: int) -> float:
    """SPEC 6.1 as stated: walk the ranking, add (R - R_old)(P_old + P) / 2."""
    area, recall_old, precision_old, found = 0.0, 0.0, 1.0, 0
    for seen, right in enumerate(ranked, start=1):
        found += right
        recall, precision = found / total, found / seen
        area += (recall - recall_old) * (precision_old + precision) / 2
        recall_old, precision_old = recall, precision
    return area


def walk_finite(ranked: list[bool], total: int) -> float:
    return (
        sum(sum(ranked[: i + 1]) / (i + 1) for i, right in enumerate(ranked) if right)
        / total
    )


@pytest.mark.parametrize(
    "function, expected",
    [(average_precision_trapezoid, 0.491667), (average_precision_finite, 0.525)],
)
def test_published_example(function, expected):
    assert function(np.array([0, 3, 4]), 4) == pytest.approx(expected, abs=1e-6)


@given(ranked=RANKED, not_found=NOT_FOUND)
def test_equals_a_walk_down_the_ranking(ranked, not_found):
    total = sum(ranked) + not_found
    if total == 0:
        return
    ranks = np.flatnonzero(ranked)
    assert average_precision_trapezoid(ranks, total) == pytest.approx(
        walk_trapezoid(ranked, total)
    )
    assert average_precision_finite(ranks, total) == pytest.approx(
        walk_finite(ranked, total)
    )


@pytest.mark.parametrize(
    "function", [average_precision_trapezoid, average_precision_finite]
)
def test_perfect_is_one_and_nothing_found_is_zero(function):
    assert function(np.arange(5), 5) == pytest.approx(1)
    assert function(np.arange(0), 5) == 0


def test_one_positive_gives_the_reciprocal_rank():
    assert average_precision_finite(np.array([3]), 1) == 0.25
    assert average_precision_trapezoid(np.array([3]), 1) == 0.125
