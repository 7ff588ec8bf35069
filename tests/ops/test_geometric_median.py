"""Geometric medians against a search by ever smaller steps."""

import itertools

import numpy as np
import pytest

from jaxsim.ops.geometric_median import geometric_medians


def cost(at, points):
    return sum(np.linalg.norm(np.subtract(at, p)) for p in points)


def searched(points):
    """Moves along single coordinates while that helps, by smaller and smaller steps."""
    at, step = np.mean(points, axis=0), 1.0
    while step > 1e-5:
        moves = [
            at + step * np.array(move)
            for move in itertools.product((-1, 0, 1), repeat=len(at))
        ]
        best = min(moves, key=lambda move: cost(move, points))
        if cost(best, points) < cost(at, points) - 1e-12:
            at = best
        else:
            step /= 2
    return at


def test_groups_of_random_points():
    rng = np.random.default_rng(0)
    group = np.array([0, 2, 1, 0, 1, 0, 2, 1, 2, 2, 0, 1, 1, 2])
    points = rng.normal(size=(len(group), 3)) + 4 * group[:, None]
    found = geometric_medians(points, group, groups=3, tolerance=1e-7, most_steps=1000)
    for g in range(3):
        np.testing.assert_allclose(found[g], searched(points[group == g]), atol=1e-3)


def test_an_outlier_moves_it_little():
    points = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1], [1e6, 1e6]])
    (found,) = geometric_medians(points, np.zeros(5, int), groups=1, most_steps=1000)
    assert cost(found, points) <= cost([1, 1], points) + 1e-2
    assert np.abs(found).max() < 1.1


@pytest.mark.parametrize(
    "points, expected",
    [
        ([[3.0, 4]], [3, 4]),
        ([[0.0, 0], [2, 4]], [1, 2]),
        ([[5.0, 5], [5, 5], [5, 5], [9, 9]], [5, 5]),
        ([[5.0, 5], [5, 5]], [5, 5]),
        # The mean of these is one of them, but not the median.
        ([[0.0, 0], [0, 0], [0, 0], [0, 0], [4, 0], [20, 0]], [0, 0]),
        # It is a point itself, as in every triangle with an angle above 120 degrees.
        ([[0.0, 0], [10, 1], [-10, 1]], [0, 0]),
    ],
)
def test_points_that_coincide_or_hold_it(points, expected):
    points = np.array(points)
    (found,) = geometric_medians(
        points, np.zeros(len(points), int), groups=1, tolerance=1e-9, most_steps=2000
    )
    np.testing.assert_allclose(found, expected, atol=1e-2)
