"""The contrastive loss: matching pairs together, others a margin apart."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from jaxsim.losses.mean import Mean, weighted_mean


def contrastive(
    distances: Float[Array, " P"],
    matching: Bool[Array, " P"],
    weights: Float[Array, " P"],
    *,
    margin: float = 1.0,
) -> Mean:
    """Returns the mean of ½D² for matching pairs and ½max(0, margin - D)² for others.

    Args:
      distances: float [P], plain distances D, as of `ops.distances.distances`.
      matching: bool [P], True for pairs of one label.
      weights: float [P], 0 for pairs that do not count.
      margin: how far apart other pairs should be; 0.85 for GeM descriptors.

    Source: Hadsell, Chopra & LeCun 2006, eq. 4; margin of GeM: Radenović, Tolias &
      Chum 2018.

    >>> far, unlike = jnp.array([0.5]), jnp.array([False])
    >>> float(contrastive(far, unlike, jnp.ones(1)).value)
    0.125
    """
    distances = distances.astype(jnp.float32)
    missing = jax.nn.relu(margin - distances)
    terms = jnp.where(matching, jnp.square(distances), jnp.square(missing)) / 2
    return weighted_mean(terms, weights)
