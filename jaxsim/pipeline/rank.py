"""Complete rankings of a database, for judging."""

from collections.abc import Callable
from typing import Literal

import jax
import numpy as np
from jaxtyping import Int64

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import MISSING_ID, Comparison, Ranking
from jaxsim.index.complete import rank_all
from jaxsim.index.faiss_flat import FaissFlat
from jaxsim.index.sharded import ShardedIndex
from jaxsim.pipeline.embed import Embedding
from jaxsim.rerank.chain import Chain

Search = Literal["exact", "sharded", "faiss"]
"""Who ranks: numpy, or several accelerators where there are some; all devices of this
process; or faiss' flat index. Their rankings differ in near ties alone."""


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
      InputError: the search does not serve the comparison.
    """
    usable = np.flatnonzero(database.found)
    if search == "faiss":
        flat = FaissFlat(database.vectors[usable], comparison=comparison)
        return _ranked_by(flat, queries, database)
    if search == "sharded" and comparison != "cosine":
        raise InputError(
            "search='sharded' ranks by inner products, and this model's descriptors "
            "are compared by distance; take search='exact'"
        )
    over_devices = comparison == "cosine" and several_accelerators()
    if len(usable) and (search == "sharded" or over_devices):
        return _ranked_by(ShardedIndex(database.vectors[usable]), queries, database)

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


def several_accelerators() -> bool:
    """Whether this process computes on more than one GPU or TPU.

    Devices that share a processor gain nothing by sharing a sort.
    """
    return jax.local_device_count() > 1 and jax.default_backend() != "cpu"


def _ranked_by(
    index: FaissFlat | ShardedIndex, queries: Embedding, database: Embedding
) -> Callable[[Int64[np.ndarray, " q"]], Ranking]:
    """Returns rankings by an index of the usable images of the database."""
    usable = np.flatnonzero(database.found)

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
