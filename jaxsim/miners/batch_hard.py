"""The hardest triplet of each anchor."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxsim.miners.triplets import Triplets
from jaxsim.ops.pairs import pairs_of_labels


def batch_hard(labels: Int[Array, " B"], scores: Float[Array, "B B"]) -> Triplets:
    """Returns each anchor's least similar positive and most similar negative; T = B.

    Equal scores are settled by the lowest position. An anchor without positive or
    without negative has weight 0.

    Args:
      labels: int [B].
      scores: float [B, B], higher is more similar.

    Source: Hermans, Beyer & Leibe 2017, section 2.
    """
    pairs = pairs_of_labels(labels)
    hardest_positive = jnp.argmin(jnp.where(pairs.positive, scores, jnp.inf), axis=1)
    hardest_negative = jnp.argmax(jnp.where(pairs.negative, scores, -jnp.inf), axis=1)
    usable = pairs.positive.any(axis=1) & pairs.negative.any(axis=1)
    return Triplets(
        jnp.arange(len(labels), dtype=jnp.int32),
        hardest_positive.astype(jnp.int32),
        hardest_negative.astype(jnp.int32),
        usable.astype(jnp.float32),
    )
