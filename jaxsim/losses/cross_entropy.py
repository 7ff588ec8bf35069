"""The softmax cross-entropy of classification."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxsim.losses.mean import Mean, weighted_mean


def cross_entropy(
    logits: Float[Array, "B C"],
    labels: Int[Array, " B"],
    weights: Float[Array, " B"],
    *,
    smoothing: float = 0.0,
) -> Mean:
    """Returns the mean of -log softmax(logits)[label].

    Args:
      logits: float [B, C].
      labels: int [B], 0..C-1 wherever the weight is above 0.
      weights: float [B], 0 for images that do not count.
      smoothing: share, 0..1, of the target that is spread evenly over all classes.

    Source: label smoothing: Szegedy et al. 2016, section 7.

    >>> float(cross_entropy(jnp.zeros((1, 4)), jnp.array([2]), jnp.ones(1)).value)
    1.3862943649291992
    """
    logs = jax.nn.log_softmax(logits.astype(jnp.float32))
    chosen = jnp.take_along_axis(logs, labels[:, None], axis=1)[:, 0]
    terms = -(1 - smoothing) * chosen - smoothing * jnp.mean(logs, axis=1)
    return weighted_mean(terms, weights)
