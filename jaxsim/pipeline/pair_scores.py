"""A learned similarity beside the cosine, on pairs of labelled images."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32

from jaxsim.data.samplers import RandomPairs
from jaxsim.rerank.similarity import Similarity


@dataclass(frozen=True, eq=False)
class PairScores:
    """P pairs of images, both ways to compare them, and whether they match.

    Attributes:
      cosines: float32 [P].
      scores: float32 [P], learned.
      matching: bool [P].
    """

    cosines: Float32[np.ndarray, " P"]
    scores: Float32[np.ndarray, " P"]
    matching: Bool[np.ndarray, " P"]


def sample_pairs(
    similarity: Similarity,
    vectors: Float32[np.ndarray, "N D"],
    labels: Sequence[str | None],
    *,
    pairs: int = 800,
    seed: int = 0,
) -> PairScores:
    """Draws pairs of labelled images, half of which match, and scores them.

    Args:
      similarity: scores them.
      vectors: float32 [N, D].
      labels: of the images; those without one are left out.
      pairs: P.
      seed: of the draw.

    Raises:
      InputError: there are fewer than two labels, or none has two images.
    """
    rows = RandomPairs(labels, pairs=pairs, seed=seed)(0).reshape(-1, 2)
    first, second = vectors[rows[:, 0]], vectors[rows[:, 1]]
    each = np.arange(len(rows))
    scores = similarity.pair_scores(first, similarity.image_parts(second), each, each)
    matching = np.array([labels[i] == labels[j] for i, j in rows.tolist()])
    return PairScores(np.einsum("pd,pd->p", first, second), scores, matching)
