"""Regression of a pair's score to its cosine, moved by whether the pair matches."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxsim.losses.mean import Mean, weighted_mean


def cosine_target(
    scores: Float[Array, " P"],
    cosines: Float[Array, " P"],
    matching: Bool[Array, " P"],
    weights: Float[Array, " P"],
    *,
    delta: float = 0.2,
) -> Mean:
    """Returns the mean of |s - t| with t = cos + Δ for pairs that match, cos - Δ else.

    The targets are not cut off at 1 and -1.

    Args:
      scores: float [P], s.
      cosines: float [P], of the same pairs.
      matching: bool [P], True for pairs of one label.
      weights: float [P], 0 for pairs that do not count.
      delta: Δ >= 0; 0 makes the cosine itself the target.

    Source: Garcia and Vogiatzis 2019, eq. 5.

    >>> one, yes = jnp.ones(1), jnp.array([True])
    >>> float(cosine_target(one, one / 2, yes, one, delta=0.25).value)
    0.25
    """
    targets = cosines + jnp.where(matching, delta, -delta)
    return weighted_mean(jnp.abs(scores - targets), weights)
