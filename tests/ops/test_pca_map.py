import numpy as np
import pytest

from jaxsim.ops.pca_map import pca_map

VECTORS = (
    np.random.default_rng(0).normal(size=(40, 5)) @ np.diag([5, 3, 1, 0.5, 0.1]) + 7
).astype(np.float32)


def power_iteration(rows, start, steps=2000):
    """The direction of largest variance, in plain Python."""
    direction = list(start)
    for _ in range(steps):
        shares = [
            sum(a * b for a, b in zip(row, direction, strict=True)) for row in rows
        ]
        direction = [
            sum(s * row[d] for s, row in zip(shares, rows, strict=True))
            for d in range(len(direction))
        ]
        length = sum(a * a for a in direction) ** 0.5
        direction = [a / length for a in direction]
    return direction, shares


def test_points_are_those_of_power_iteration():
    rows = (VECTORS.astype(np.float64) - VECTORS.mean(axis=0, dtype=float)).tolist()
    expected = []
    for _ in range(2):
        direction, shares = power_iteration(rows, [1.0] * 5)
        sign = 1 if max(direction) == max(map(abs, direction)) else -1
        expected.append([sign * s for s in shares])
        rows = [
            [a - s * d for a, d in zip(row, direction, strict=True)]
            for row, s in zip(rows, shares, strict=True)
        ]
    np.testing.assert_allclose(pca_map(VECTORS), np.array(expected).T, atol=1e-3)


def test_variance_falls_and_coordinates_are_uncorrelated():
    points = pca_map(VECTORS).astype(np.float64)
    covariance = points.T @ points / len(points)
    assert covariance[0, 0] > covariance[1, 1] > 0
    assert abs(covariance[0, 1]) < 1e-5 * covariance[0, 0]
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=1e-5)


def test_signs_do_not_depend_on_the_order_of_the_rows():
    order = np.random.default_rng(1).permutation(len(VECTORS))
    np.testing.assert_allclose(
        pca_map(VECTORS[order]), pca_map(VECTORS)[order], atol=1e-4
    )


@pytest.mark.parametrize(
    ("vectors", "expected"),
    [
        ([[3.0, 1.0]], [[0, 0]]),
        ([[1.0], [3.0]], [[-1, 0], [1, 0]]),
        ([[2.0, 2.0]] * 3, [[0, 0]] * 3),
        ([[0.0, 0.0, 5.0], [0.0, 0.0, 1.0]], [[2, 0], [-2, 0]]),
    ],
)
def test_directions_that_are_lacking_give_zeros(vectors, expected):
    points = pca_map(np.array(vectors, np.float32))
    assert points.dtype == np.float32
    np.testing.assert_allclose(points, expected, atol=1e-6)
