"""The semi-hard triplet of each pair of anchor and positive."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxsim.miners.triplets import Triplets
from jaxsim.ops.pairs import pairs_of_labels


def semi_hard(labels: Int[Array, " B"], scores: Float[Array, "B B"]) -> Triplets:
    """Returns for each pair the nearest negative that is farther than the positive.

    T = B², a place for every pair of anchor and positive. FaceNet's rule, strictly
    farther: where no negative is farther, the weight is 0, and no easier one takes
    its place. Whether it lies within the margin is left to the loss, which is 0 where
    not. Equal scores are settled by the lowest position. Memory is that of B².

    Args:
      labels: int [B].
      scores: float [B, B], higher is more similar.

    Source: Schroff, Kalenichenko & Philbin 2015, section 3.2.
    """
    count = len(labels)
    pairs = pairs_of_labels(labels)
    scores = scores.astype(jnp.float32)
    # Negatives by rising distance (stable: ties by position), all others behind them.
    keys = jnp.where(pairs.negative, -scores, jnp.inf)
    order = jnp.argsort(keys, axis=1)
    rising = jnp.take_along_axis(keys, order, axis=1)
    place = jax.vmap(partial(jnp.searchsorted, side="right"))(rising, -scores)
    found = place < jnp.sum(pairs.negative, axis=1, keepdims=True)
    negative = jnp.take_along_axis(order, jnp.minimum(place, count - 1), axis=1)
    anchor, positive = jnp.indices((count, count), jnp.int32)
    return Triplets(
        anchor.ravel(),
        positive.ravel(),
        negative.ravel().astype(jnp.int32),
        (pairs.positive & found).ravel().astype(jnp.float32),
    )
