"""OASIS: a bilinear similarity learned online, one triplet at a time."""

from functools import partial
from typing import Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxsim.core.errors import InputError

Constraint = Literal["none", "symmetric", "psd"]


class OasisStep(NamedTuple):
    """One update.

    Attributes:
      matrix: float32 [D, D], after it.
      loss: of the triplet before it.
    """

    matrix: Float[Array, "D D"]
    loss: Float[Array, ""]


def oasis_update(
    matrix: Float[Array, "D D"],
    query: Float[Array, " D"],
    positive: Float[Array, " D"],
    negative: Float[Array, " D"],
    *,
    aggressiveness: float = 0.1,
) -> OasisStep:
    """Moves the matrix as little as makes a triplet right, or not farther than allowed.

    With S(p, q) = pᵀWq, loss = max(0, 1 - S(p, p⁺) + S(p, p⁻)), V = p (p⁺ - p⁻)ᵀ and
    τ = min(C, loss / ‖V‖²), W becomes W + τV: the exact minimum of
    ½‖W' - W‖² + C max(0, 1 - S'(p, p⁺) + S'(p, p⁻)).

    Args:
      matrix: float32 [D, D].
      query: float [D].
      positive: float [D], of the same label.
      negative: float [D], of another one.
      aggressiveness: C > 0.

    Source: Chechik et al. 2010, section 3.
    """
    difference = positive - negative
    projected = jnp.matmul(query, matrix, precision="highest")
    loss = jax.nn.relu(1 - jnp.dot(projected, difference, precision="highest"))
    squared = jnp.sum(query**2) * jnp.sum(difference**2)
    # Equal images of both labels leave nothing to move.
    rate = jnp.where(squared > 0, loss / jnp.where(squared > 0, squared, 1), 0)
    step = jnp.minimum(aggressiveness, rate)
    return OasisStep(matrix + step * query[:, None] * difference[None], loss)


def oasis(
    vectors: Float[Array, "N D"],
    triplets: Int[Array, "T 3"],
    *,
    aggressiveness: float = 0.1,
    constraint: Constraint = "none",
) -> tuple[Float[Array, "D D"], Float[Array, " T"]]:
    """Learns from triplets in their order, starting from the identity.

    Args:
      vectors: float32 [N, D].
      triplets: int [T, 3], rows of query, positive and negative.
      aggressiveness: C > 0.
      constraint: what is done to the matrix at the end: "symmetric" takes the mean with
        its transpose, "psd" also cuts negative eigenvalues off.

    Returns:
      The matrix, float32 [D, D], and the loss of each triplet when it was met.

    Raises:
      InputError: `aggressiveness` is not above 0, or another constraint.

    Source: Chechik et al. 2010, algorithm 1: C = 0.1 and a million triplets.
    """
    if not aggressiveness > 0:
        raise InputError(f"aggressiveness={aggressiveness} is not above 0")
    if constraint not in get_args(Constraint):
        raise InputError(
            f"constraint={constraint!r}; expected one of "
            f"{', '.join(get_args(Constraint))}"
        )
    matrix, losses = _scan(vectors, triplets, aggressiveness)
    return _constrained(matrix, constraint), losses


@partial(jax.jit, static_argnums=2)
def _scan(vectors, triplets, aggressiveness):
    def update(matrix, rows):
        return oasis_update(matrix, *vectors[rows], aggressiveness=aggressiveness)

    return jax.lax.scan(update, jnp.eye(vectors.shape[1]), triplets)


def _constrained(matrix, constraint: Constraint):
    if constraint == "none":
        return matrix
    symmetric = (matrix + matrix.T) / 2
    if constraint == "symmetric":
        return symmetric
    values, basis = jnp.linalg.eigh(symmetric)
    kept = basis * jnp.maximum(values, 0)[None]
    return jnp.matmul(kept, basis.T, precision="highest")
