"""Euclidean distances, with gradients that are finite everywhere."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Float32

from jaxsim.ops.similarity import inner_product


def squared_distances(
    a: Float[Array, "N D"], b: Float[Array, "M D"]
) -> Float32[Array, "N M"]:
    """Returns the squared distance of every row of `a` to every row of `b`.

    Computed from the inner products, so memory is that of the answer. The error is
    that of float32 relative to the vectors' squared lengths, whatever the distance;
    what rounding makes negative becomes 0.

    Args:
      a: float [N, D].
      b: float [M, D].

    >>> squared_distances(jnp.eye(2), jnp.array([[1.0, 0.0]])).tolist()
    [[0.0], [2.0]]
    """
    a, b = a.astype(jnp.float32), b.astype(jnp.float32)
    lengths = jnp.sum(a * a, axis=1)[:, None] + jnp.sum(b * b, axis=1)[None]
    return jax.nn.relu(lengths - 2 * inner_product(a, b))


def distances(a: Float[Array, "N D"], b: Float[Array, "M D"]) -> Float32[Array, "N M"]:
    """Returns the distance of every row of `a` to every row of `b`.

    At distance 0 the gradient is 0. As a root, it is less exact for near vectors than
    the squared distance: those of length 1 and equal may be 5e-4 apart.

    Args:
      a: float [N, D].
      b: float [M, D].
    """
    return safe_sqrt(squared_distances(a, b))


def squared_distances_of_cosines(
    cosines: Float[Array, "*shape"],
) -> Float32[Array, "*shape"]:
    """Returns the squared distances, 2 - 2 cos in 0..4, of pairs of unit vectors."""
    return jax.nn.relu(2 - 2 * cosines.astype(jnp.float32))


def safe_sqrt(squares: Float[Array, "*shape"]) -> Float[Array, "*shape"]:
    """Returns the square root; of 0 and less it is 0, with gradient 0."""
    # The inner `where` keeps the infinite slope at 0 out of the backward pass, where
    # it would meet the zero of the outer one and make NaN.
    positive = squares > 0
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, squares, 1)), 0)
