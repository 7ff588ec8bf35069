import math

import pytest

from jaxsim.experiment.slowest_epoch import descent


def chosen(losses):
    """The epoch whose state would be kept: that of the greatest number."""
    points = list(enumerate(losses))
    scores = {epoch: descent(points[: epoch + 1]) for epoch in range(1, len(losses))}
    return max(scores, key=lambda epoch: (scores[epoch], epoch))


def falling(*steps):
    total, losses = 0.0, [0.0]
    for step in steps:
        total -= step
        losses.append(total)
    return losses


def test_the_slowest_fall_is_kept():
    assert chosen(falling(5, 3, 2, 1, 2, 4, 8)) == 4


def test_a_slow_fall_after_clusters_merged_does_not_count():
    assert chosen(falling(5, 3, 2, 3, 5, 3, 1, 0.1)) == 3


def test_one_faster_interval_ends_nothing():
    assert chosen(falling(5, 3, 3.1, 2, 1, 2, 3)) == 5


def test_a_loss_that_falls_ever_slower_keeps_the_last_epoch():
    assert chosen(falling(5, 4, 3, 2)) == 4


def test_a_loss_that_falls_ever_faster_keeps_the_first():
    assert chosen(falling(1, 2, 3, 4)) == 1


def test_a_rising_loss_is_no_slow_fall():
    assert chosen(falling(0.5, 0.3, -0.05, 0.15)) == 4
    assert descent([(0, 0.0), (1, -0.5), (2, -0.4)]) == -math.inf
    assert descent([(0, 0.0), (1, -0.5), (2, -0.5)]) == 0


def test_intervals_may_differ():
    assert descent([(0, 0.0), (10, -1.0), (14, -1.2)]) == pytest.approx(-0.05)
    points = [(0, 0.0), (1, -1.0), (2, -3.0), (3, -6.0)]
    assert descent(points) == -math.inf
