"""Hard triplets out of a large pool of descriptors."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxsim.core.errors import InputError
from jaxsim.miners.triplets import Triplets
from jaxsim.ops.distances import squared_distances


@partial(jax.jit, static_argnames=("hardest", "margin", "block_queries"))
def hardest_triplets(
    vectors: Float[Array, "N D"],
    labels: Int[Array, " N"],
    queries: Int[Array, " Q"],
    *,
    hardest: int = 25,
    margin: float = 0.1,
    block_queries: int = 256,
) -> Triplets:
    """Returns the triplets of largest loss of each query, among all of a pool.

    The loss is margin + D(query, positive) - D(query, negative) with squared
    distances. It is largest for far positives and near negatives, so the `hardest`
    triplets are made of the `hardest` farthest and nearest, and no more are formed.
    Triplets come by falling loss; equal losses by the positive's distance, equal
    distances by the lowest row. Memory is `block_queries` times the pool; where
    hardest² is more than the pool, fewer queries are compared at once.

    Args:
      vectors: float [N, D], descriptors of the pool.
      labels: int [N], of the pool.
      queries: int [Q], rows of the pool.
      hardest: how many of each query, >= 1.
      margin: of the loss.
      block_queries: how many queries are compared with the pool at once at the most.

    Returns:
      Triplets of shape [Q, hardest], positions being rows of the pool; weight 0 where
      a query has fewer of positive loss.

    Raises:
      InputError: `hardest` below 1.

    Source: Gordo, Almazán, Revaud & Larlus 2017: pools of 5,000 images, the 25 hardest
      of each query.
    """
    if hardest < 1:
        raise InputError(
            f"asked for the {hardest} hardest triplets; ask for at least 1"
        )

    def of_query(query: Int[Array, ""]) -> Triplets:
        distances = squared_distances(vectors[query][None], vectors)
        same = (labels == labels[query])[None]
        itself = (jnp.arange(len(labels)) == query)[None]
        members = min(hardest, len(labels))
        far, positives = jax.lax.top_k(
            jnp.where(same & ~itself, distances, -jnp.inf), members
        )
        near, negatives = jax.lax.top_k(jnp.where(same, -jnp.inf, -distances), members)
        losses = (margin + far[0][:, None] + near[0][None]).ravel()
        losses = _pad(losses, max(hardest, members**2), -jnp.inf)
        largest, at = jax.lax.top_k(losses, hardest)
        at = jnp.minimum(at, members**2 - 1)
        return Triplets(
            jnp.full(hardest, query, jnp.int32),
            positives[0][at // members].astype(jnp.int32),
            negatives[0][at % members].astype(jnp.int32),
            (largest > 0).astype(jnp.float32),
        )

    combined = min(hardest, len(labels)) ** 2
    at_once = block_queries * len(labels) // max(combined, len(labels), 1)
    return jax.lax.map(of_query, queries, batch_size=max(at_once, 1))


def _pad(values: Array, length: int, fill: float) -> Array:
    return jnp.pad(values, (0, length - len(values)), constant_values=fill)
