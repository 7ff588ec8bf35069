"""Complete rankings of a database, for judging."""

from collections.abc import Callable
from typing import Literal

import numpy as np
from jaxtyping import Int64

from jaxsim.core.ranking import MISSING_ID, Comparison, Ranking
from jaxsim.index.complete import rank_all
from jaxsim.index.faiss_flat import FaissFlat
from jaxsim.pipeline.embed import Embedding
from jaxsim.rerank.chain import Chain

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


def ranked_in_stages(
    rank: Callable[[Int64[np.ndarray, " q"]], Ranking],
    queries: Embedding,
    chain: Chain,
) -> Callable[[Int64[np.ndarray, " q"]], list[Ranking]]:
    """Returns a function from rows of the queries to the rankings of all stages.

    The first one is that of the descriptors. A query without a descriptor finds
    nothing in any of them.

    Args:
      rank: see `complete_rankings`.
      queries: descriptors of the images that ask.
      chain: the stages.
    """

    def rank_in_stages(rows: Int64[np.ndarray, " q"]) -> list[Ranking]:
        first = rank(rows)
        if not chain.stages:
            return [first]
        found = np.flatnonzero(queries.found[rows])
        asked = Ranking(first.ids[found], first.scores[found])
        later = chain.rankings(queries.vectors[rows[found]], rows[found], asked)
        return [first, *(_among(first.ids.shape, found, better) for better in later)]

    return rank_in_stages


def _among(shape, rows: np.ndarray, ranking: Ranking) -> Ranking:
    """Returns the ranking of some rows among those that find nothing."""
    ids = np.full(shape, MISSING_ID, np.int64)
    scores = np.full(shape, -np.inf, np.float32)
    ids[rows], scores[rows] = ranking.ids, ranking.scores
    return Ranking(ids, scores)


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
