"""Negatives drawn so that all distances are equally likely."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from jaxsim.miners.triplets import Triplets
from jaxsim.ops.distances import safe_sqrt, squared_distances_of_cosines
from jaxsim.ops.pairs import pairs_of_labels

# Smallest 1 - d²/4 whose logarithm is taken; near that of float32 numbers below 1.
SMALLEST_REST = 1e-7


def distance_weighted(
    labels: Int[Array, " B"],
    scores: Float[Array, "B B"],
    *,
    key: PRNGKeyArray,
    dimension: int,
    cutoff: float = 0.5,
    nonzero_loss_cutoff: float = 1.4,
) -> Triplets:
    """Draws for each pair of anchor and positive one negative; T = B².

    Distances d of random unit vectors of n dimensions have the density
    q(d) ∝ d^(n-2) (1 - d²/4)^((n-3)/2), almost all near √2. Negatives are drawn with
    probability ∝ 1/q(d). An anchor whose negatives all lie beyond
    `nonzero_loss_cutoff`, as is usual at the start, draws among them evenly.

    Args:
      labels: int [B].
      scores: float [B, B], cosines of unit vectors.
      key: decides the draws.
      dimension: n, length of the vectors, >= 3.
      cutoff: smaller distances count as this one, so that the nearest negatives,
        whose gradients are noisy, are not drawn always.
      nonzero_loss_cutoff: negatives at least this far are not drawn.

    Source: Wu, Manmatha, Smola & Krähenbühl 2017, section 4 and its published code.
    """
    pairs = pairs_of_labels(labels)
    distances = safe_sqrt(squared_distances_of_cosines(scores))
    near = pairs.negative & (distances < nonzero_loss_cutoff)
    any_near = near.any(axis=1, keepdims=True)
    eligible = jnp.where(any_near, near, pairs.negative)
    logits = _log_inverse_density(jnp.maximum(distances, cutoff), dimension)
    logits = jnp.where(any_near, logits, 0)

    negative = _draw(key, logits, eligible)
    # Rounding of the running sums could land a draw beside an eligible one.
    valid = pairs.positive & jnp.take_along_axis(eligible, negative, axis=1)
    anchor, positive = jnp.indices(negative.shape, jnp.int32)
    return Triplets(
        anchor.ravel(),
        positive.ravel(),
        negative.ravel(),
        valid.ravel().astype(jnp.float32),
    )


def _log_inverse_density(distances: Array, dimension: int) -> Array:
    rest = jnp.maximum(1 - jnp.square(distances) / 4, SMALLEST_REST)
    powers = (dimension - 2) * jnp.log(distances) + (dimension - 3) / 2 * jnp.log(rest)
    return -powers


def _draw(key: Array, logits: Array, eligible: Array) -> Array:
    """Draws B columns for each row, in memory of B² (Gumbel noise would take B³)."""
    peak = jnp.max(logits, axis=1, where=eligible, initial=-jnp.inf, keepdims=True)
    sums = jnp.cumsum(jnp.where(eligible, jnp.exp(logits - peak), 0), axis=1)
    total = sums[:, -1:]
    points = jax.random.uniform(key, logits.shape) * total
    drawn = jax.vmap(partial(jnp.searchsorted, side="right"))(sums, points)
    last = jax.vmap(partial(jnp.searchsorted, side="left"))(sums, total)
    return jnp.minimum(drawn, last).astype(jnp.int32)
