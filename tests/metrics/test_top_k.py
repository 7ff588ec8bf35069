import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jaxsim.metrics.top_k import (
    map_at_r,
    precision_at_k,
    r_precision,
    recall_at_k,
    revisited_precision_at_k,
)

RANKED = st.lists(st.booleans(), min_size=1, max_size=30)
K = st.integers(1, 40)


@given(ranked=RANKED, not_found=st.integers(0, 4), k=K)
def test_equals_counting_the_first_results(ranked, not_found, k):
    total = sum(ranked) + not_found
    if total == 0:
        return
    ranks = np.flatnonzero(ranked)
    assert recall_at_k(ranks, total, k=k) == float(any(ranked[:k]))
    assert precision_at_k(ranks, total, k=k) == pytest.approx(sum(ranked[:k]) / k)
    assert r_precision(ranks, total) == pytest.approx(sum(ranked[:total]) / total)
    assert map_at_r(ranks, total) == pytest.approx(
        sum(
            sum(ranked[: i + 1]) / (i + 1) * ranked[i]
            for i in range(len(ranked[:total]))
        )
        / total
    )


@given(ranked=RANKED, k=K)
def test_revisited_precision_stops_at_the_last_positive(ranked, k):
    if not any(ranked):
        return
    last = max(rank for rank, right in enumerate(ranked, start=1) if right)
    stop = min(k, last)
    ranks = np.flatnonzero(ranked)
    assert revisited_precision_at_k(ranks, sum(ranked), k=k) == pytest.approx(
        sum(ranked[:stop]) / stop
    )


def test_revisited_precision_does_not_reward_a_positive_that_was_not_found():
    assert revisited_precision_at_k(np.array([0]), 1, k=10) == 1
    assert revisited_precision_at_k(np.array([0]), 2, k=10) == 0.1
    assert revisited_precision_at_k(np.arange(0), 2, k=10) == 0


def test_published_r_precision_example():
    ranks = np.flatnonzero([1, 0, 1, 1, 0])
    assert r_precision(ranks, 4) == 0.75
    assert map_at_r(ranks, 4) == pytest.approx(0.604167, abs=1e-6)
