"""The multi-similarity loss: all informative pairs of an anchor, weighed together."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxsim.losses.mean import Mean, weighted_mean


def multi_similarity(
    scores: Float[Array, "Q N"],
    relevant: Bool[Array, "Q N"],
    counted: Bool[Array, "Q N"],
    *,
    alpha: float = 2.0,
    beta: float = 50.0,
    base: float = 0.5,
    epsilon: float = 0.1,
) -> Mean:
    """Returns the mean over anchors of a soft count of pairs on the wrong side of base.

    An anchor's term is log(1 + Σ exp(-alpha (s - base))) / alpha over its positives
    plus log(1 + Σ exp(beta (s - base))) / beta over its negatives. Only informative
    pairs enter: negatives of a score above the least similar positive's minus
    epsilon, and positives below the most similar negative's plus epsilon.

    Args:
      scores: float [Q, N], cosines of anchors and images.
      relevant: bool [Q, N], pairs that match.
      counted: bool [Q, N], False for an anchor with itself and for padding.
      alpha: how sharply the least similar positives are preferred.
      beta: how sharply the most similar negatives are preferred.
      base: score that positives should exceed, and negatives stay below.
      epsilon: slack of the choice of pairs.

    Returns:
      The mean over the anchors that have a positive and a negative; those without
      informative pairs add 0.

    Source: Wang, Han, Huang, Dong & Scott 2019, section 4.
    """
    scores = scores.astype(jnp.float32)
    positive, negative = counted & relevant, counted & ~relevant
    hardest_positive = jnp.min(
        scores, axis=1, where=positive, initial=jnp.inf, keepdims=True
    )
    hardest_negative = jnp.max(
        scores, axis=1, where=negative, initial=-jnp.inf, keepdims=True
    )
    positives = positive & (scores < hardest_negative + epsilon)
    negatives = negative & (scores > hardest_positive - epsilon)
    above = scores - base
    terms = _log1p_sum_exp(-alpha * above, positives) / alpha
    terms += _log1p_sum_exp(beta * above, negatives) / beta
    usable = positive.any(axis=1) & negative.any(axis=1)
    return weighted_mean(terms, usable.astype(jnp.float32))


def _log1p_sum_exp(exponents: Array, mask: Array) -> Array:
    """Returns log(1 + Σ exp) of each row's masked members; the 1 is a column of 0."""
    exponents = jnp.where(mask, exponents, -jnp.inf)
    return jax.nn.logsumexp(jnp.pad(exponents, ((0, 0), (0, 1))), axis=1)
