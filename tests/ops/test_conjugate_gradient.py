import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.ops.conjugate_gradient import conjugate_gradient

RNG = np.random.default_rng(0)
HALF = RNG.standard_normal((12, 12)).astype(np.float32)
MATRIX = np.eye(12, dtype=np.float32) + HALF @ HALF.T / 12
RIGHT = RNG.standard_normal((12, 4)).astype(np.float32)


def solved(right, iterations=100, tolerance=1e-7):
    return np.asarray(
        conjugate_gradient(
            lambda x: jnp.asarray(MATRIX) @ x,
            jnp.asarray(right),
            iterations=iterations,
            tolerance=tolerance,
        )
    )


def naive(right, iterations):
    """The published steps for one right-hand side, in float64."""
    x, residual = np.zeros(12), right.astype(np.float64)
    direction = residual
    for _ in range(iterations):
        image = MATRIX @ direction
        length = residual @ residual / (direction @ image)
        x = x + length * direction
        after = residual - length * image
        direction = after + (after @ after) / (residual @ residual) * direction
        residual = after
    return x


def test_solves_every_column():
    expected = np.linalg.solve(MATRIX, RIGHT)
    np.testing.assert_allclose(solved(RIGHT), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("iterations", [1, 3])
def test_steps_are_the_published_ones(iterations):
    expected = np.stack([naive(b, iterations) for b in RIGHT.T], axis=1)
    np.testing.assert_allclose(solved(RIGHT, iterations), expected, rtol=1e-4)


def test_a_column_of_zeros_rests_and_others_do_not_change():
    right = RIGHT.copy()
    right[:, 1] = 0
    found = solved(right, 3)
    assert (found[:, 1] == 0).all() and np.isfinite(found).all()
    np.testing.assert_allclose(found[:, 0], solved(RIGHT[:, :1], 3)[:, 0], rtol=1e-5)


def test_a_tolerance_ends_each_column_on_its_own():
    right = np.stack([np.linalg.eigh(MATRIX)[1][:, 0], RIGHT[:, 0]], axis=1)
    found = solved(right.astype(np.float32), tolerance=1e-2)
    residual = np.linalg.norm(right - MATRIX @ found, axis=0)
    assert (residual <= 1.1e-2 * np.linalg.norm(right, axis=0)).all()
    assert residual[1] > 1e-5
