"""OASIS by hand, by its optimality, and by a loop."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.training.oasis import oasis, oasis_update


def test_one_update_by_hand():
    query, positive, negative = (
        jnp.array(v) for v in ([1.0, 0.0], [0.6, 0.8], [0.8, 0.6])
    )
    step = oasis_update(jnp.eye(2), query, positive, negative)
    np.testing.assert_allclose(step.loss, 1.2, rtol=1e-6)
    np.testing.assert_allclose(step.matrix, [[0.98, 0.02], [0, 1]], atol=1e-6)


@pytest.mark.parametrize(("length", "limited"), [(0.5, True), (5.0, False)])
def test_an_update_is_the_least_change_that_pays(length, limited):
    """No other matrix has a smaller ½‖W' - W‖² + C loss(W')."""
    rng = np.random.default_rng(3)
    matrix = 0.01 * rng.standard_normal((3, 3)) / length**2
    query, positive, negative = length * rng.standard_normal((3, 3))

    def cost(changed):
        loss = max(0, 1 - query @ changed @ positive + query @ changed @ negative)
        return 0.5 * np.sum((changed - matrix) ** 2) + 0.1 * loss

    found = oasis_update(
        *(jnp.asarray(a, jnp.float32) for a in (matrix, query, positive, negative))
    )
    size = np.sum(np.outer(query, positive - negative) ** 2)
    assert found.loss > 0 and (found.loss / size > 0.1) == limited
    best = cost(np.asarray(found.matrix, np.float64))
    assert best < cost(matrix)
    for _ in range(200):
        other = np.asarray(found.matrix) + 1e-3 * rng.standard_normal((3, 3))
        assert cost(other) >= best - 1e-7


def test_the_scan_equals_a_loop():
    rng = np.random.default_rng(1)
    vectors = rng.standard_normal((10, 4)).astype(np.float32)
    triplets = rng.integers(0, 10, (50, 3))
    found, losses = oasis(jnp.asarray(vectors), jnp.asarray(triplets))
    matrix = np.eye(4)
    for number, (p, positive, negative) in enumerate(vectors[triplets]):
        loss = max(0.0, 1 - p @ matrix @ (positive - negative))
        np.testing.assert_allclose(losses[number], loss, atol=1e-3)
        v = np.outer(p, positive - negative)
        size = np.sum(v**2)
        matrix = matrix + (min(0.1, loss / size) * v if size else 0)
    np.testing.assert_allclose(found, matrix, atol=1e-3)


@pytest.mark.parametrize("constraint", ["symmetric", "psd"])
def test_constraints_hold_at_the_end(constraint):
    rng = np.random.default_rng(2)
    vectors = jnp.asarray(rng.standard_normal((10, 4)), jnp.float32)
    triplets = jnp.asarray(rng.integers(0, 10, (50, 3)))
    matrix, _ = oasis(vectors, triplets, constraint=constraint)
    free, _ = oasis(vectors, triplets)
    np.testing.assert_allclose(matrix, matrix.T, atol=1e-5)
    symmetric = (free + free.T) / 2
    if constraint == "symmetric":
        np.testing.assert_allclose(matrix, symmetric, atol=1e-6)
    else:
        assert np.linalg.eigvalsh(symmetric).min() < -1e-3  # so that it must act
        assert np.linalg.eigvalsh(matrix).min() > -1e-4


def test_options_out_of_range():
    with pytest.raises(InputError, match="aggressiveness=0.0"):
        oasis(jnp.eye(2), jnp.zeros((1, 3), int), aggressiveness=0.0)
