"""The largest eigenvalues of a symmetric matrix, and their eigenvectors."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float32

from jaxsim.core.errors import InputError
from jaxsim.core.rng import rng
from jaxsim.ops.sparse import SparseMatrix

_SPARE = 16
_MOST_DEGREE = 12
_LARGEST_GAIN = 100.0
_SMALLEST_GAP = 1e-3
_DENSE_SHARE = 3


def largest_eigenpairs(
    matrix: SparseMatrix, count: int, *, rounds: int = 5, seed: int = 0
) -> tuple[Float32[np.ndarray, " r"], Float32[np.ndarray, "N r"]]:
    """Returns the largest eigenvalues and their eigenvectors, by subspace iteration.

    A random subspace, a little larger than asked for, is multiplied in each round by
    2 plus a Chebyshev polynomial of the matrix, at most 3 below the eigenvalues that
    are wanted so far and growing above them; the best approximation within the last
    subspace is taken. Eigenvalues near the end of those asked for are the least exact.
    If a third or more of all are asked for, the dense matrix is decomposed.

    Args:
      matrix: symmetric [N, N], N >= 1, with eigenvalues from -1 to 1.
      count: r, 1 <= r; at most N are returned.
      rounds: of multiplication; more are more exact.
      seed: of the random start, >= 0.

    Returns:
      float32 [r], falling; and float32 [N, r], orthonormal columns.

    Raises:
      InputError: r < 1.

    Source: Halko et al. 2011, section 4.5; Zhou et al. 2006 for the polynomial.
    """
    nodes = matrix.nodes
    if count < 1:
        raise InputError(f"expected at least 1 eigenvalue; got {count}")
    count = min(count, nodes)
    if _DENSE_SHARE * (count + _SPARE) >= nodes:
        dense = np.asarray(matrix @ jnp.eye(nodes, dtype=jnp.float32))
        # In float64, so that a complete basis is one to float32's last digit.
        values, vectors = np.linalg.eigh(dense.astype(np.float64))
        values, vectors = values[::-1][:count], vectors[:, ::-1][:, :count]
        return values.astype(np.float32), vectors.astype(np.float32)
    start = rng(seed, "eigenpairs").standard_normal((nodes, count + _SPARE))
    values, vectors = _iterate(matrix, start.astype(np.float32), rounds=rounds)
    return np.asarray(values[:count]), np.asarray(vectors[:, :count])


@partial(jax.jit, static_argnames="rounds")
def _iterate(
    matrix: SparseMatrix, start: Float32[Array, "N R"], *, rounds: int
) -> tuple[Float32[Array, " R"], Float32[Array, "N R"]]:
    def improve(_, state):
        basis, least = state
        basis = _orthonormal(_filtered(matrix, basis, least))
        return basis, jnp.linalg.eigvalsh(_within(matrix, basis))[0]

    first = _orthonormal(start), jnp.float32(0)
    basis, _ = jax.lax.fori_loop(0, rounds, improve, first)
    values, turn = jnp.linalg.eigh(_within(matrix, basis))
    turned = jnp.matmul(basis, turn[:, ::-1], precision=jax.lax.Precision.HIGHEST)
    return values[::-1], turned


def _filtered(
    matrix: SparseMatrix, basis: Float32[Array, "N R"], least: Float32[Array, ""]
) -> Float32[Array, "N R"]:
    """Multiplies by 2 + T(S), T the Chebyshev polynomial of -1 to the least wanted.

    |T| <= 1 there. The 2 keeps every direction, so that columns never depend on each
    other, whatever the eigenvalues; and so does a degree with T(1) limited.
    """
    edge = jnp.clip(least, -1 + _SMALLEST_GAP, 1 - _SMALLEST_GAP)
    half, centre = (edge + 1) / 2, (edge - 1) / 2
    degree = jnp.arccosh(_LARGEST_GAIN) / jnp.arccosh((1 - centre) / half)
    degree = jnp.clip(degree.astype(jnp.int32), 1, _MOST_DEGREE)

    def scaled(dense):
        return (matrix @ dense - centre * dense) / half

    def raise_degree(_, state):
        lower, higher = state
        return higher, 2 * scaled(higher) - lower

    state = basis, scaled(basis)
    return jax.lax.fori_loop(1, degree, raise_degree, state)[1] + 2 * basis


def _orthonormal(vectors: Float32[Array, "N R"]) -> Float32[Array, "N R"]:
    """Returns an orthonormal basis of columns that are far from dependent.

    By the Cholesky factor of their products, an order of magnitude faster on CPU than
    reflections; twice, as the first time leaves the rounding of a squared condition.
    """
    for _ in range(2):
        lower = jnp.linalg.cholesky(_products(vectors, vectors))
        vectors = jax.scipy.linalg.solve_triangular(lower, vectors.T, lower=True).T
    return vectors


def _within(matrix: SparseMatrix, basis: Float32[Array, "N R"]) -> Array:
    """Returns the matrix as it acts within the span of an orthonormal basis."""
    small = _products(basis, matrix @ basis)
    return (small + small.T) / 2


def _products(first: Array, second: Array) -> Array:
    return jnp.matmul(first.T, second, precision=jax.lax.Precision.HIGHEST)
