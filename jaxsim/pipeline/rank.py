"""Complete rankings of a database, for judging."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float32, Int64

from jaxsim.core.ranking import MISSING_ID, Comparison, Ranking
from jaxsim.index.faiss_flat import FaissFlat
from jaxsim.pipeline.embed import Embedding

Search = Literal["exact", "faiss"]
"""Who ranks: numpy, or faiss' flat index. Their rankings differ in near ties alone."""


def complete_rankings(
    queries: Embedding,
    database: Embedding,
    *,
    comparison: Comparison,
    search: Search = "exact",
) -> Callable[[Int64[np.ndarray, " q"]], Ranking]:
    """Returns a function from rows of the queries to their complete rankings.

    Args:
      queries: descriptors of the images that ask.
      database: descriptors of the images that are ranked.
      comparison: of the model that made them.
      search: who ranks.

    Raises:
      MissingExtraError: faiss is asked for and not installed.
    """
    if search == "faiss":
        return _ranked_by_faiss(queries, database, comparison)

    def rank(rows: Int64[np.ndarray, " q"]) -> Ranking:
        return rank_all(
            queries.vectors[rows],
            database.vectors,
            queries_found=queries.found[rows],
            database_found=database.found,
            comparison=comparison,
        )

    return rank


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
    scores[:, ~database_found] = -np.inf
    # A stable sort keeps equal scores in the order of their ids.
    ids = np.argsort(-scores, axis=1, kind="stable")
    scores = np.take_along_axis(scores, ids, axis=1)
    return Ranking(np.where(np.isneginf(scores), MISSING_ID, ids), scores)


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


def _ranked_by_faiss(
    queries: Embedding, database: Embedding, comparison: Comparison
) -> Callable[[Int64[np.ndarray, " q"]], Ranking]:
    usable = np.flatnonzero(database.found)
    index = FaissFlat(database.vectors[usable], comparison=comparison)

    def rank(rows: Int64[np.ndarray, " q"]) -> Ranking:
        shape = len(rows), len(database.found)
        ids = np.full(shape, MISSING_ID, np.int64)
        scores = np.full(shape, -np.inf, np.float32)
        found = queries.found[rows]
        if found.any() and len(usable):
            answer = index.search(queries.vectors[rows[found]], len(usable))
            ids[found, : len(usable)] = usable[answer.ids]
            scores[found, : len(usable)] = answer.scores
        return Ranking(ids, scores)

    return rank
