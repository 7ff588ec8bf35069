"""The graph that similarity spreads over, and how a query enters and leaves it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import MISSING_ID, Ranking
from jaxsim.index.complete import rank_scores
from jaxsim.ops.graph import Graph, mutual_graph
from jaxsim.ops.neighbours import self_neighbours
from jaxsim.rerank.base import Gallery

_SCORES_AT_ONCE = 1 << 22


@dataclass(frozen=True, kw_only=True)
class Affinity:
    """How alike images are, for spreading over mutual neighbours.

    Images are joined if each is among the k most similar of the other, with the weight
    max(s, 0)ᵞ of their cosine. A query enters by max(s, 0)ᵞ at its first kq results.

    Attributes:
      k: nearest neighbours of an image; as published, the image itself counts as one.
      kq: results by which a query enters.
      gamma: γ > 0.

    Raises:
      InputError: an option is out of range.

    Source: Iscen et al. 2017, section 3; numbers of its section 5 for whole images.
    """

    k: int = 50
    kq: int = 10
    gamma: float = 3.0

    def __post_init__(self):
        if self.k < 1 or self.kq < 1 or not 0 < self.gamma < np.inf:
            raise InputError(
                "a graph of mutual neighbours needs k >= 1, kq >= 1 and gamma > 0; got "
                f"k={self.k}, kq={self.kq} and gamma={self.gamma}"
            )

    def graph(self, gallery: Gallery) -> Graph:
        """Returns the weights between images, not normalised.

        Raises:
          InputError: a row holds NaN or infinite values.
        """
        lists = self_neighbours(gallery.vectors, self.k, live=gallery.live)
        return mutual_graph(lists).to_power(self.gamma)

    def entry(
        self, ranking: Ranking
    ) -> tuple[Int64[np.ndarray, "Q kq"], Float32[np.ndarray, "Q kq"]]:
        """Returns where queries enter, and how strongly.

        Args:
          ranking: of which the first results count.

        Returns:
          int64 [Q, min(kq, K)] rows, 0 where there is none; and float32 of that shape.
        """
        ids, scores = ranking.ids[:, : self.kq], ranking.scores[:, : self.kq]
        found = ids != MISSING_ID
        weights = np.maximum(np.where(found, scores, 0), 0) ** np.float32(self.gamma)
        return np.where(found, ids, 0), weights


def spread_in(
    ids: Int64[np.ndarray, "q k"], weights: Float32[np.ndarray, "q k"], count: int
) -> Float32[np.ndarray, "q N"]:
    """Returns weights at the rows where they belong, 0 elsewhere, for N = count."""
    found = np.zeros((len(ids), count), np.float32)
    # Added, since missing ones stand at row 0 with weight 0.
    np.add.at(found, (np.arange(len(ids))[:, None], ids), weights)
    return found


def connected_to(
    ids: Int64[np.ndarray, "q k"],
    weights: Float32[np.ndarray, "q k"],
    components: Int64[np.ndarray, " N"],
) -> Bool[np.ndarray, "q N"]:
    """Returns which images some path joins with one where a query enters.

    Args:
      ids: int64 [q, k], where queries enter.
      weights: float32 [q, k], how strongly; at 0 they do not.
      components: int64 [N], of the graph, see `connected_components`.
    """
    entered = np.zeros((len(ids), len(components)), bool)
    rows, places = np.nonzero(weights > 0)
    entered[rows, components[ids[rows, places]]] = True
    return entered[:, components]


def rank_reached(
    reached: Float32[np.ndarray, "q N"], ranking: Ranking, gallery: Gallery
) -> Ranking:
    """Ranks what a query reaches in the graph; all else follows as it was ranked.

    Args:
      reached: float32 [q, N], above 0 for images that are reached.
      ranking: [q, K], the order of those that are not; their scores are lowered below
        the others'.
      gallery: that is ranked.

    Returns:
      [q, K].
    """
    rows, places = np.nonzero(ranking.ids != MISSING_ID)
    highest = np.maximum(ranking.scores[:, :1], 0)
    lowered = ranking.scores - np.where(np.isfinite(highest), highest, 0)
    scores = np.full(reached.shape, -np.inf, np.float32)
    scores[rows, ranking.ids[rows, places]] = lowered[rows, places]
    scores = np.where(reached > 0, reached, scores)
    return rank_scores(scores, found=gallery.live, k=ranking.ids.shape[1])


def queries_at_once(images: int, most: int) -> int:
    """Returns how many queries make a block: `most`, fewer where images are many."""
    return max(min(_SCORES_AT_ONCE // max(images, 1), most), 1)


def ranked_in_blocks(
    ranking: Ranking,
    gallery: Gallery,
    reached_by: Callable[[slice, Ranking], Float32[np.ndarray, "q N"]],
    *,
    most: int,
) -> Ranking:
    """Ranks what queries reach, a block of queries of few enough scores at a time.

    Args:
      ranking: of the gallery, [Q, K].
      gallery: that is ranked.
      reached_by: given a block's rows and its part of the ranking, returns what its
        queries reach, as `rank_reached` takes it.
      most: queries of a block at the most.

    Returns:
      [Q, K], see `rank_reached`.
    """
    ids, scores = np.empty_like(ranking.ids), np.empty_like(ranking.scores)
    step = queries_at_once(len(gallery.vectors), most)
    for start in range(0, len(ids), step):
        rows = slice(start, start + step)
        part = Ranking(ranking.ids[rows], ranking.scores[rows])
        found = rank_reached(reached_by(rows, part), part, gallery)
        ids[rows], scores[rows] = found.ids, found.scores
    return Ranking(ids, scores)
