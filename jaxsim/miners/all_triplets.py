"""Every triplet of a batch."""

import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from jaxsim.miners.triplets import Triplets
from jaxsim.ops.pairs import pairs_of_labels


def all_triplets(labels: Int[Array, " B"], scores: Float[Array, "B B"]) -> Triplets:
    """Returns all triplets; T = B³, so for small batches: 128 images make 2 million.

    Most are soon easy, so the loss is best averaged over the violating ones.

    Args:
      labels: int [B].
      scores: float [B, B], not looked at.

    Source: Ding, Lin, Wang & Chao 2015; called "batch all" by Hermans, Beyer & Leibe
      2017, section 2.
    """
    del scores
    pairs = pairs_of_labels(labels)
    weight = pairs.positive[:, :, None] & pairs.negative[:, None, :]
    anchor, positive, negative = jnp.indices(weight.shape, jnp.int32)
    return Triplets(
        anchor.ravel(),
        positive.ravel(),
        negative.ravel(),
        weight.ravel().astype(jnp.float32),
    )
