"""Inner products of descriptors, in blocks of queries."""

from collections.abc import Iterator

import jax
import jax.numpy as jnp
import numpy as np
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


_inner_product = jax.jit(inner_product)


def similarity_blocks(
    queries: Float32[np.ndarray, "Q D"],
    database: Float32[np.ndarray | Array, "N D"],
    *,
    block_queries: int = 256,
) -> Iterator[tuple[slice, Float32[np.ndarray, "B N"]]]:
    """Yields the scores of a block of queries after the other.

    For rules that need whole rankings; memory is that of one block, never Q x N.

    Args:
      queries: float32 [Q, D].
      database: float32 [N, D].
      block_queries: queries scored at once, >= 1.

    Yields:
      Which queries, and their scores float32 [B, N].
    """
    rows = jax.device_put(database)
    for start in range(0, len(queries), block_queries):
        block = queries[start : start + block_queries]
        padded = np.zeros((min(block_queries, len(queries)), queries.shape[1]), "f4")
        padded[: len(block)] = block
        scores = np.asarray(_inner_product(padded, rows))[: len(block)]
        yield slice(start, start + len(block)), scores
