"""The percentile of the inner products among rows, without holding them all."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float32

from jaxsim.core.errors import InputError
from jaxsim.core.rng import rng
from jaxsim.ops.similarity import inner_product

MOST_PAIRS = 1 << 26
"""Held at once, 256 MiB: from 8,193 rows on, rows that are drawn stand for all."""


def similarity_percentile(
    vectors: Float32[np.ndarray, "N D"],
    percent: int | float,
    *,
    most_pairs: int = MOST_PAIRS,
    seed: int = 0,
) -> float:
    """Returns a percentile of x_i·x_j over all pairs, also of a row with itself.

    Up to `most_pairs` pairs, by default those of 8,192 rows, it is exact; of more, rows
    drawn by the seed stand for all.

    Args:
      vectors: float32 [N, D], N >= 1.
      percent: 0 to 100; between two numbers it is interpolated, as by numpy.
      most_pairs: that are held at once.
      seed: of the draw.

    Raises:
      InputError: no vectors, or no such percentile.
    """
    if not len(vectors) or not 0 <= percent <= 100:
        raise InputError(
            f"a percentile of {percent} among {len(vectors)} vectors: expected 0 to "
            "100 and at least one vector"
        )
    rows = vectors
    count = max(1, most_pairs // len(vectors))
    if count < len(vectors):
        drawn = rng(seed, "percentile").permutation(len(vectors))[:count]
        rows = vectors[np.sort(drawn)]
    scores = inner_product(jnp.asarray(rows), jnp.asarray(vectors))
    return float(np.percentile(np.asarray(scores), percent))
