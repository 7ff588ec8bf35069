"""Complete rankings of a database, for judging."""

import numpy as np
from jaxtyping import Bool, Float32

from jaxsim.core.ranking import MISSING_ID, Ranking


def rank_all(
    queries: Float32[np.ndarray, "q D"],
    database: Float32[np.ndarray, "N D"],
    *,
    queries_found: Bool[np.ndarray, " q"],
    database_found: Bool[np.ndarray, " N"],
) -> Ranking:
    """Orders the whole database for each query by inner product, ties by id.

    Memory is q x N: callers ask for a block of queries at a time.

    Args:
      queries: float32 [q, D].
      database: float32 [N, D].
      queries_found: False for queries without a descriptor; they find nothing.
      database_found: False for images without a descriptor; they are never found.

    Returns:
      A ranking with K = N; missing images fill the end of each row.
    """
    scores = queries @ database.T
    scores[~queries_found] = -np.inf
    scores[:, ~database_found] = -np.inf
    # A stable sort keeps equal scores in the order of their ids.
    ids = np.argsort(-scores, axis=1, kind="stable")
    scores = np.take_along_axis(scores, ids, axis=1)
    return Ranking(np.where(np.isneginf(scores), MISSING_ID, ids), scores)
