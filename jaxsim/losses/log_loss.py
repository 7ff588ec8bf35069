"""The log loss of two classes."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxsim.losses.mean import Mean, weighted_mean


def log_loss(
    logits: Float[Array, " T"],
    positive: Bool[Array, " T"],
    weights: Float[Array, " T"],
) -> Mean:
    """Returns the mean of -log sigmoid(logit), of -log(1 - sigmoid(logit)) elsewhere.

    Args:
      logits: float [T].
      positive: bool [T].
      weights: float [T], >= 0.

    >>> float(log_loss(jnp.zeros(1), jnp.ones(1, bool), jnp.ones(1)).value)
    0.6931471824645996
    """
    signed = jnp.where(positive, logits, -logits).astype(jnp.float32)
    return weighted_mean(-jax.nn.log_sigmoid(signed), weights)
