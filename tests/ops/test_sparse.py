"""Sparse products against dense ones."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.ops.graph import from_edges
from jaxsim.ops.sparse import sparse_matrix


def random_matrix(nodes, density, seed=0, *, symmetric=False):
    random = np.random.default_rng(seed)
    matrix = random.standard_normal((nodes, nodes))
    matrix *= random.random((nodes, nodes)) < density
    if symmetric:
        matrix = matrix + matrix.T
    return matrix.astype(np.float32)


def sparse(matrix):
    rows, columns = np.nonzero(matrix)
    weights = matrix[rows, columns]
    return sparse_matrix(from_edges(rows, columns, weights, nodes=len(matrix)))


@pytest.mark.parametrize(
    "density, symmetric", [(0, False), (0.1, True), (0.1, False), (1, True)]
)
def test_products_and_gradients_are_those_of_the_dense_matrix(density, symmetric):
    matrix = random_matrix(40, density, symmetric=symmetric)
    matrix[3, :] = 1  # a node that all are neighbours of
    if symmetric:
        matrix[:, 3] = 1
    thin = sparse(matrix)
    assert (thin.back is None) == symmetric
    dense = jnp.asarray(np.random.default_rng(1).standard_normal((40, 5)), jnp.float32)
    np.testing.assert_allclose(thin @ dense, matrix @ dense, atol=1e-5)
    np.testing.assert_allclose(thin @ dense[:, 0], matrix @ dense[:, 0], atol=1e-5)
    weight = np.random.default_rng(2).standard_normal((40, 5)).astype(np.float32)
    gradient = jax.grad(lambda x: jnp.sum(weight * (thin @ x)))(dense)
    np.testing.assert_allclose(gradient, matrix.T @ weight, atol=1e-5)


def test_a_matrix_can_be_an_argument_of_a_compiled_function():
    matrix = random_matrix(9, 0.4)
    product = jax.jit(lambda a, x: a @ x)(sparse(matrix), jnp.eye(9))
    np.testing.assert_allclose(product, matrix, atol=1e-6)


def test_half_precision_is_summed_in_float32():
    matrix = np.ones((600, 600), np.float32)
    ones = jnp.ones((600, 1), jnp.bfloat16)
    product = sparse(matrix) @ ones
    assert product.dtype == jnp.bfloat16
    np.testing.assert_allclose(np.asarray(product, np.float32), 600, rtol=0.01)


def test_nothing():
    assert (sparse(np.zeros((0, 0), np.float32)) @ jnp.zeros((0, 4))).shape == (0, 4)
    nothing = sparse(np.zeros((3, 3), np.float32)) @ jnp.ones((3, 2))
    assert nothing.tolist() == [[0, 0]] * 3
