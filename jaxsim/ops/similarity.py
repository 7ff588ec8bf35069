"""Inner products of descriptors."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Float32


def inner_product(
    queries: Float[Array, "Q D"], database: Float[Array, "N D"]
) -> Float32[Array, "Q N"]:
    """Returns the score of every query against every database row.

    Full float32 precision is asked for, because accelerators otherwise multiply in
    fewer bits, and close scores would change places.

    Args:
      queries: float [Q, D].
      database: float [N, D].

    Returns:
      float32 [Q, N], higher is more similar.
    """
    return jnp.einsum(
        "qd,nd->qn",
        queries,
        database,
        precision=jax.lax.Precision.HIGHEST,
        preferred_element_type=jnp.float32,
    )
