"""Triplets that the sampler has already chosen."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxsim.core.errors import InputError
from jaxsim.miners.triplets import Triplets


def row_triplets(labels: Int[Array, " B"], scores: Float[Array, "B B"]) -> Triplets:
    """Returns rows 0, 1, 2 as the first triplet, 3, 4, 5 as the second, …; T = B / 3.

    A triplet whose labels do not say anchor = positive ≠ negative has weight 0.

    Args:
      labels: int [B], B a multiple of 3.
      scores: float [B, B], not looked at.

    Raises:
      InputError: B is no multiple of 3.
    """
    if len(labels) % 3:
        raise InputError(
            f"triplets of rows need a batch of a multiple of 3; got {len(labels)}"
        )
    anchor, positive, negative = (
        jnp.arange(len(labels), dtype=jnp.int32).reshape(-1, 3).T
    )
    right = (labels[anchor] == labels[positive]) & (labels[anchor] != labels[negative])
    return Triplets(anchor, positive, negative, right.astype(jnp.float32))
