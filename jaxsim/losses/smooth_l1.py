"""The loss of box regression: quadratic near zero, linear beyond."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxsim.losses.mean import Mean, weighted_mean


def smooth_l1(
    predicted: Float[Array, "T D"],
    wanted: Float[Array, "T D"],
    weights: Float[Array, " T"],
    *,
    beta: float = 1 / 9,
) -> Mean:
    """Returns the mean over rows of sum_d f(predicted - wanted).

    f(x) = x^2 / (2 beta) where |x| < beta, and |x| - beta / 2 elsewhere.

    Args:
      predicted: float [T, D].
      wanted: float [T, D].
      weights: float [T], >= 0.
      beta: where the loss becomes linear, > 0; 1 in the paper, 1/9 in the authors' code
        for region proposals.

    Source: Girshick 2015 (Fast R-CNN), equation 3.

    >>> loss = smooth_l1(jnp.array([[2.0]]), jnp.zeros((1, 1)), jnp.ones(1), beta=1)
    >>> float(loss.value)
    1.5
    """
    apart = jnp.abs(predicted.astype(jnp.float32) - wanted.astype(jnp.float32))
    terms = jnp.where(apart < beta, apart**2 / (2 * beta), apart - beta / 2)
    return weighted_mean(jnp.sum(terms, axis=1), weights)
