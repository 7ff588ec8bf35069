"""Diffusion: similarity to a query spreads over mutual neighbours."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import MISSING_ID, Ranking
from jaxsim.ops.graph import normalised
from jaxsim.ops.sparse import SparseMatrix, sparse_matrix
from jaxsim.rerank.affinity import (
    Affinity,
    queries_at_once,
    ranked_in_blocks,
    spread_in,
)
from jaxsim.rerank.base import Asked, Gallery
from jaxsim.rerank.linear_system import Solver, columns_at_once, solve
from jaxsim.rerank.subgraphs import NeighbourLists, neighbour_lists, solve_within


@dataclass(frozen=True)
class DiffusionGallery(Gallery):
    """A gallery with the graph of its images.

    Attributes:
      matrix: S, of the whole graph; None if each query has a part of its own.
      lists: weights of the whole graph, of which parts are cut; None if none are.
    """

    matrix: SparseMatrix | None
    lists: NeighbourLists | None


@dataclass(frozen=True, kw_only=True)
class Diffusion:
    """Ranks by f of (I - αS) f = y, S = D^-1/2 W D^-1/2 of mutual neighbours.

    y is how alike the query and its first results are, and f is what arrives at each
    image by all paths. Images that the query does not reach follow as they were ranked.

    Of a large collection, each query takes the graph among its nearest images only,
    normalised anew.

    Attributes:
      affinity: makes W and y.
      solver: finds f.
      truncate: images of a query's graph at the most.

    Raises:
      InputError: an option is out of range.

    Source: Iscen et al. 2017, equations 4 to 7 and section 4.3.
    """

    affinity: Affinity = field(default_factory=Affinity)
    solver: Solver = field(default_factory=Solver)
    truncate: int = 10_000

    def __post_init__(self):
        if self.truncate < 1:
            raise InputError(f"diffusion needs truncate >= 1; got {self.truncate}")

    @property
    def reach(self) -> int:
        """How many results it looks at."""
        return self.affinity.kq

    def prepare(self, gallery: Gallery) -> DiffusionGallery:
        """Returns the gallery with its graph.

        Raises:
          InputError: a row holds NaN or infinite values.
        """
        graph = self.affinity.graph(gallery)
        whole = graph.nodes <= self.truncate
        return DiffusionGallery(
            gallery.vectors,
            gallery.live,
            sparse_matrix(normalised(graph, self_loops=False)) if whole else None,
            None if whole else neighbour_lists(graph),
        )

    def __call__(
        self, asked: Asked, ranking: Ranking, gallery: Gallery
    ) -> tuple[Asked, Ranking]:
        """Returns the queries as they are and the images ranked by what reaches them.

        Args:
          asked: Q queries.
          ranking: of the gallery, [Q, K].
          gallery: as `prepare` returned it.
        """
        assert isinstance(gallery, DiffusionGallery)
        most = queries_at_once(len(gallery.vectors), columns_at_once())

        def reached_by(rows: slice, part: Ranking):
            if gallery.matrix is not None:
                return self._by_all(part, gallery.matrix, most)
            return self._by_part(asked.vectors[rows], part, gallery)

        return asked, ranked_in_blocks(ranking, gallery, reached_by, most=most)

    def _by_all(
        self, ranking: Ranking, matrix: SparseMatrix, most: int
    ) -> Float32[np.ndarray, "q N"]:
        entry = spread_in(*self.affinity.entry(ranking), matrix.nodes)
        return solve(matrix, entry, self.solver, most=most)

    def _by_part(
        self,
        queries: Float32[np.ndarray, "q D"],
        ranking: Ranking,
        gallery: DiffusionGallery,
    ) -> Float32[np.ndarray, "q N"]:
        assert gallery.lists is not None
        nodes = gallery.search(queries, self.truncate).ids.astype(np.int32)
        entry = spread_in(*self.affinity.entry(ranking), len(gallery.vectors))
        here = np.where(nodes == MISSING_ID, 0, nodes)
        right = np.where(nodes == MISSING_ID, 0, np.take_along_axis(entry, here, 1))
        solved = solve_within(
            gallery.lists,
            nodes,
            right,
            self.solver,
            normalise=True,
        )
        return spread_in(here.astype(np.int64), solved, len(gallery.vectors))
