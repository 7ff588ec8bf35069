"""Distances equal loops, and their gradients are finite where points coincide."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.ops.distances import (
    distances,
    safe_sqrt,
    squared_distances,
    squared_distances_of_cosines,
)

GENERATOR = np.random.default_rng(0)
A = GENERATOR.standard_normal((5, 7)).astype(np.float32)
B = GENERATOR.standard_normal((3, 7)).astype(np.float32)


def naive(a, b):
    """Sums squared differences in plain Python."""
    return [
        [sum((float(p) - float(q)) ** 2 for p, q in zip(x, y, strict=True)) for y in b]
        for x in a
    ]


def test_squared_distances_are_sums_of_squared_differences():
    found = squared_distances(jnp.array(A), jnp.array(B))
    np.testing.assert_allclose(found, naive(A, B), rtol=1e-5)


def test_distances_are_their_roots():
    found = distances(jnp.array(A), jnp.array(B))
    np.testing.assert_allclose(found, np.sqrt(naive(A, B)), rtol=1e-5)


def test_gradients_are_those_of_the_differences():
    weight = jnp.asarray(GENERATOR.standard_normal((5, 3)), jnp.float32)

    def of_differences(a, b):
        return jnp.linalg.norm(a[:, None] - b[None], axis=-1)

    for argument in (0, 1):
        found, expected = (
            jax.jit(jax.grad(lambda *x, f=f: jnp.sum(weight * f(*x)), argument))(A, B)
            for f in (distances, of_differences)
        )
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_rounding_never_makes_a_squared_distance_negative():
    wide = jnp.asarray(GENERATOR.standard_normal((50, 301)), jnp.float32)
    found = squared_distances(wide, wide)
    assert float(found.min()) >= 0
    np.testing.assert_allclose(jnp.diag(found), 0, atol=1e-3)


def test_points_that_coincide_have_distance_0_and_gradient_0():
    points = jnp.array([[3.0, 4.0], [3.0, 4.0], [3.0, 4.0]])
    value, gradient = jax.value_and_grad(lambda p: distances(p, p).sum())(points)
    assert float(value) == 0
    assert gradient.tolist() == [[0, 0]] * 3


def test_nearly_equal_points_have_a_bounded_gradient():
    points = jnp.asarray(np.repeat(A[:1] / np.linalg.norm(A[0]), 4, axis=0))
    gradient = jax.jit(jax.grad(lambda p: distances(p, p + 1e-6).sum()))(points)
    assert float(jnp.abs(gradient).max()) < 100


def test_bfloat16_is_computed_in_float32():
    a, b = jnp.array(A, jnp.bfloat16), jnp.array(B, jnp.bfloat16)
    found = squared_distances(a, b)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, naive(a, b), rtol=1e-5)


def test_cosines_of_unit_vectors_give_their_squared_distances():
    unit = jnp.asarray(A / np.linalg.norm(A, axis=1, keepdims=True))
    found = squared_distances_of_cosines(unit @ unit.T)
    np.testing.assert_allclose(found, naive(unit, unit), atol=1e-6)


def test_a_cosine_rounded_above_1_is_distance_0():
    assert float(squared_distances_of_cosines(jnp.array(1.0000001))) == 0


@pytest.mark.parametrize(
    ("square", "root", "slope"), [(4.0, 2.0, 0.25), (0.0, 0.0, 0.0), (-1.0, 0.0, 0.0)]
)
def test_root_and_its_slope(square, root, slope):
    found = jax.value_and_grad(safe_sqrt)(jnp.array(square))
    assert [float(x) for x in found] == [root, slope]
