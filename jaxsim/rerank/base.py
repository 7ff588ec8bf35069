"""What every re-ranker is given and gives back."""

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32, Int64

from jaxsim.core.ranking import MISSING_ID, Ranking
from jaxsim.index.complete import rank_all
from jaxsim.index.exact import ExactIndex


@dataclass(frozen=True)
class Gallery:
    """The descriptors that are searched.

    Attributes:
      vectors: float32 [N, D]; rows that are not live may hold anything finite.
      live: bool [N], the rows that can be found.
    """

    vectors: Float32[np.ndarray, "N D"]
    live: Bool[np.ndarray, " N"]

    def search(self, queries: Float32[np.ndarray, "Q D"], k: int) -> Ranking:
        """Returns the k live rows of largest inner product; missing ones fill the end.

        Args:
          queries: float32 [Q, D].
          k: >= 1; the number of all rows ranks everything.
        """
        if k >= len(self.vectors):
            everyone = np.ones(len(queries), bool)
            ranking = rank_all(
                queries,
                self.vectors,
                queries_found=everyone,
                database_found=self.live,
            )
            return ranking.widened(k)
        return self._index.search(queries, k)

    @cached_property
    def _index(self) -> ExactIndex:
        index = ExactIndex(self.vectors)
        index.delete(np.flatnonzero(~self.live))
        return index


@dataclass(frozen=True)
class Asked:
    """Queries on their way through the stages.

    Attributes:
      vectors: float32 [Q, D], unit length.
      rows: int64 [Q], which queries these are, for stages that look at their images.
    """

    vectors: Float32[np.ndarray, "Q D"]
    rows: Int64[np.ndarray, " Q"]


@runtime_checkable
class Reranker(Protocol):
    """A stage: from a ranking to a better one of the same length."""

    @property
    def reach(self) -> int:
        """How many results it looks at, at the least 1."""
        ...

    def prepare(self, gallery: Gallery) -> Gallery:
        """Returns what this stage and those after it search; called once."""
        ...

    def __call__(
        self, asked: Asked, ranking: Ranking, gallery: Gallery
    ) -> tuple[Asked, Ranking]:
        """Returns the queries and their ranking, of the K of the one given.

        Args:
          asked: Q queries.
          ranking: of the gallery, [Q, K].
          gallery: what `prepare` returned.
        """
        ...


def neighbours(
    ranking: Ranking, gallery: Gallery, k: int
) -> Float32[np.ndarray, "Q k D"]:
    """Returns descriptors of the first k results; zeros where missing.

    Args:
      ranking: [Q, K].
      gallery: that was ranked.
      k: at most K are returned.
    """
    ids = ranking.ids[:, :k]
    return np.where(ids[..., None] >= 0, gallery.vectors[ids], 0).astype(np.float32)


def below(top: Ranking, ranking: Ranking, start: int) -> Ranking:
    """Returns the results from a place on, their scores lowered below others'.

    Scores of a query are lowered by one number, and only where they must be. They keep
    their order up to rounding: where float32 makes them equal, ids order them.

    Args:
      top: [Q, start], what comes before them.
      ranking: [Q, K], whose results they are.
      start: the first place.

    Returns:
      [Q, K - start].
    """
    ids, scores = ranking.ids[:, start:], ranking.scores[:, start:]
    if not ids.shape[1]:
        return Ranking(ids, scores)
    # Rounded once only: large scores of another scale leave no digits for the others'.
    first = scores[:, 0].astype(np.float64)
    least = np.where(top.ids == MISSING_ID, np.inf, top.scores).min(axis=1)
    # Where nothing was found, nothing follows.
    least = np.where(np.isfinite(least), least, 0).astype(np.float64)
    # With room between, so that equal scores cannot meet in the wrong order.
    over = first - least + 1e-3 * (1 + np.abs(least))
    lowered = np.where(np.isfinite(over), np.maximum(over, 0), 0)
    # Numbers that were apart may round to equal ones, which are ordered by id.
    return Ranking.from_scores(ids, scores - lowered[:, None])
