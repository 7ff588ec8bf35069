"""The mean over the terms that count, which every loss returns."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Float32


class Mean(NamedTuple):
    """A mean, and over how much it was taken.

    Attributes:
      value: float32, 0 where nothing counted.
      count: float32, the sum of the weights; means of parts of a batch are joined as
        sum(value * count) / sum(count).
    """

    value: Float32[Array, ""]
    count: Float32[Array, ""]


def weighted_mean(terms: Float[Array, " T"], weights: Float[Array, " T"]) -> Mean:
    """Returns sum(weights * terms) / sum(weights), in float32.

    Where all weights are 0 the value is 0 and so is the gradient. A term of weight 0
    may be infinite or NaN. No gradient flows into the weights.

    Args:
      terms: float [T].
      weights: float [T], >= 0; often a mask of 0 and 1.

    >>> weighted_mean(jnp.array([1.0, 4.0, jnp.nan]), jnp.array([1.0, 2.0, 0.0]))
    Mean(value=Array(3., dtype=float32), count=Array(3., dtype=float32))
    """
    weights = jax.lax.stop_gradient(weights.astype(jnp.float32))
    terms = jnp.where(weights > 0, terms.astype(jnp.float32), 0)
    count = jnp.sum(weights)
    value = jnp.sum(weights * terms) / jnp.where(count > 0, count, 1)
    return Mean(value, count)
