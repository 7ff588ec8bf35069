import numpy as np
import pytest

from jaxsim.data.records import Record, RetrievalSet
from jaxsim.report.selection import (
    choose_changed_queries,
    choose_queries,
    missed_image,
)

NAN = float("nan")


def chosen(values, per_group) -> dict[str, tuple[int, ...]]:
    groups = choose_queries(np.array(values, np.float32), per_group=per_group)
    return {g.title.split()[0]: g.queries for g in groups}


def test_best_typical_and_worst():
    values = [0.1, NAN, 0.9, 0.5, 0.45, 0.0, 1.0, 0.55, 0.3]
    # The median of the eight numbers is 0.475.
    assert chosen(values, 2) == {"Best": (6, 2), "Typical": (3, 4), "Worst": (5, 0)}


def test_ties_are_taken_by_number_and_nothing_twice():
    assert chosen([1.0] * 10, 3) == {
        "Best": (0, 1, 2),
        "Typical": (6, 7, 8),
        "Worst": (3, 4, 5),
    }


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], {}),
        ([NAN, NAN], {}),
        ([NAN, 0.2], {"All": (1,)}),
        ([0.2, 0.8, 0.2], {"All": (1, 0, 2)}),
    ],
)
def test_few_queries_come_in_one_group(values, expected):
    assert chosen(values, 2) == expected


def test_no_queries_are_chosen_when_none_may_be_shown():
    assert chosen([0.2, 0.8, NAN], 0) == {}


def records(*labels) -> list[Record]:
    return [
        Record(name=str(i), content=bytes, label=label)
        for i, label in enumerate(labels)
    ]


def test_missed_image_follows_the_rule_of_the_set():
    database = records("a", "b", "a", None, None)
    by_label = RetrievalSet(name="s", database=database)
    assert [missed_image(by_label, q) for q in range(5)] == [2, None, 0, None, None]
    queried = RetrievalSet(name="s", database=database, queries=records("b", "a"))
    assert [missed_image(queried, q) for q in range(2)] == [1, 0]
    listed = RetrievalSet(
        name="s",
        database=database,
        queries=records(None, None, None),
        positives=[[3, 1], [3, 1], [99]],
        ignored=[[], [3], []],
    )
    assert [missed_image(listed, q) for q in range(3)] == [3, 1, None]
    graded = RetrievalSet(name="s", database=database, graded=[{"easy": [1]}] * 5)
    assert missed_image(graded, 0) is None


def changed(gains, per_group) -> dict[str, tuple[int, ...]]:
    groups = choose_changed_queries(np.array(gains, np.float32), per_group=per_group)
    return {g.title.split()[-1]: g.queries for g in groups}


def test_largest_gains_typical_ones_and_largest_losses():
    gains = [0.0, NAN, 0.25, -0.5, 0.125, 1.0, -0.25, 0.5, 0.0]
    # The median of the eight numbers is 0.0625.
    assert changed(gains, 2) == {
        "gains": (5, 7),
        "queries": (0, 4),
        "losses": (3, 6),
    }


def test_only_a_rise_is_a_gain_and_only_a_fall_a_loss():
    assert changed([0.0] * 5, 1) == {"queries": (0,)}
    assert changed([0.5, 0.25, 0.5, 0.0], 1) == {"gains": (0,), "queries": (1,)}
    assert changed([-0.5, -0.25, -0.5, -0.25], 1) == {"losses": (0,), "queries": (1,)}


@pytest.mark.parametrize(
    ("gains", "expected"),
    [([], {}), ([NAN], {}), ([0.1, NAN, -0.2, 0.3], {"queries": (3, 0, 2)})],
)
def test_few_changed_queries_come_in_one_group(gains, expected):
    assert changed(gains, 1) == expected
    assert changed(gains, 0) == {}
