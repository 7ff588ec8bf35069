"""The listwise loss: 1 - average precision, made smooth by soft histograms."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxsim.core.errors import InputError
from jaxsim.losses.mean import Mean, weighted_mean


def average_precision(
    scores: Float[Array, "Q N"],
    relevant: Bool[Array, "Q N"],
    counted: Bool[Array, "Q N"],
    *,
    bins: int = 25,
    low: float = 0.0,
    high: float = 1.0,
) -> Mean:
    """Returns the mean over queries of 1 - AP, whole rankings taken at once.

    Scores are shared out linearly between the two nearest of evenly spaced bins.
    With P_m the precision of all that is in bin m or above, and ΔR_m the share of the
    positives that is in it, AP = Σ P_m ΔR_m (finite sum). Memory is that of a few
    arrays [Q, N], forward and backward, whatever the number of bins.

    Args:
      scores: float [Q, N], higher is more similar.
      relevant: bool [Q, N], pairs that match.
      counted: bool [Q, N], False for a query with itself and for padding.
      bins: how many, >= 2; more are closer to AP and give sparser gradients.
      low: centre of the last bin; lower scores lie in it whole, with gradient 0.
      high: centre of the first bin; likewise for higher scores.

    Returns:
      The mean over the queries that have a positive.

    Raises:
      InputError: fewer than two bins, or low is not below high.

    Source: Revaud, Almazán, Rezende & de Souza 2019, section 3; the paper's range is
      -1..1, its published code's 0..1.
    """
    if bins < 2 or not low < high:
        raise InputError(
            f"{bins} bins from {low} to {high}; expected at least 2, and low < high"
        )
    scores = jnp.clip(scores.astype(jnp.float32), low, high)
    width = (high - low) / (bins - 1)
    positive = counted & relevant

    # One bin at a time, recomputed in the backward pass: all bins at once would hold
    # arrays [Q, N, bins].
    @partial(jax.checkpoint, prevent_cse=False)
    def contents(centre: Array) -> tuple[Array, Array]:
        share = jax.nn.relu(1 - jnp.abs(scores - centre) / width)
        return (
            jnp.sum(share, axis=1, where=positive),
            jnp.sum(share, axis=1, where=counted),
        )

    # [bins, Q], the bin of the highest scores first.
    positives, everything = jax.lax.map(contents, jnp.linspace(high, low, bins))
    seen = jnp.cumsum(everything, axis=0)
    precision = jnp.cumsum(positives, axis=0) / jnp.where(seen > 0, seen, 1)
    existing = jnp.sum(positive, axis=1)
    smooth = jnp.sum(precision * positives, axis=0) / jnp.maximum(existing, 1)
    return weighted_mean(1 - smooth, (existing > 0).astype(jnp.float32))
