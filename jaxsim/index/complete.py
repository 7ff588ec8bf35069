"""Rankings of a whole database, ordered by one sort."""

import numpy as np
from jaxtyping import Bool, Float32

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import MISSING_ID, Comparison, Ranking


def rank_all(
    queries: Float32[np.ndarray, "q D"],
    database: Float32[np.ndarray, "N D"],
    *,
    queries_found: Bool[np.ndarray, " q"],
    database_found: Bool[np.ndarray, " N"],
    comparison: Comparison = "cosine",
) -> Ranking:
    """Orders the whole database for each query by falling score, ties by id.

    Memory is q x N: callers ask for a block of queries at a time.

    Args:
      queries: float32 [q, D].
      database: float32 [N, D].
      queries_found: False for queries without a descriptor; they find nothing.
      database_found: False for images without a descriptor; they are never found.
      comparison: "cosine" scores by inner product, "distance" by minus the squared
        Euclidean distance.

    Returns:
      A ranking with K = N; missing images fill the end of each row.
    """
    scores = (
        queries @ database.T
        if comparison == "cosine"
        else -_squared_distances(queries, database)
    )
    scores[~queries_found] = -np.inf
    return rank_scores(scores, found=database_found, k=len(database))


def rank_scores(
    scores: Float32[np.ndarray, "q N"], *, found: Bool[np.ndarray, " N"], k: int
) -> Ranking:
    """Orders images by falling score, ties by id.

    Args:
      scores: float32 [q, N] of each image for each query; -inf finds nothing.
      found: False for images that are never found.
      k: results of each query, >= 1; may exceed N.

    Raises:
      InputError: a score is NaN.
    """
    if np.isnan(scores).any():
        raise InputError("images cannot be ranked by scores that are NaN")
    scores = np.where(found[None], scores, np.float32(-np.inf))
    # A stable sort keeps equal scores in the order of their ids.
    ids = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    scores = np.take_along_axis(scores, ids, axis=1)
    ranking = Ranking(np.where(np.isneginf(scores), MISSING_ID, ids), scores)
    return ranking.widened(max(k, ids.shape[1]))


def _squared_distances(
    queries: Float32[np.ndarray, "q D"], database: Float32[np.ndarray, "N D"]
) -> Float32[np.ndarray, "q N"]:
    """Returns squared distances, in float64 until the end.

    The difference of float32 products would lose the small distances of vectors that
    lie far from the origin.
    """
    a, b = queries.astype(np.float64), database.astype(np.float64)
    lengths = np.sum(a * a, axis=1)[:, None] + np.sum(b * b, axis=1)[None]
    return np.maximum(lengths - 2 * (a @ b.T), 0).astype(np.float32)
