"""Diffusion from every image, once; queries add up what their neighbours know."""

from dataclasses import dataclass, field

import numpy as np
from scipy import sparse

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import MISSING_ID, Ranking
from jaxsim.ops.graph import normalised
from jaxsim.ops.neighbours import self_neighbours
from jaxsim.rerank.affinity import Affinity, ranked_in_blocks
from jaxsim.rerank.base import Asked, Gallery
from jaxsim.rerank.linear_system import Solver
from jaxsim.rerank.subgraphs import neighbour_lists, solve_within

_IMAGES_AT_ONCE = 256
_QUERIES_AT_ONCE = 256


@dataclass(frozen=True)
class DiffusedGallery(Gallery):
    """A gallery with what spreads from each of its images.

    Attributes:
      reached: float32 [N, N], row i is f of image i.
    """

    reached: sparse.csr_array


@dataclass(frozen=True, kw_only=True)
class OfflineDiffusion:
    """Ranks by Σ y_i f_i, where f_i of (I - αS) f_i = e_i is made beforehand.

    S is that of the whole graph, of which each image takes the part of its nearest
    images: so a query costs a sum of few sparse rows. With parts as large as the
    collection, and enough iterations, it is diffusion.

    Attributes:
      affinity: makes S and y.
      solver: finds f.
      truncate: nearest images of an image, itself among them; memory is 8 bytes for
        each of these of each image.

    Raises:
      InputError: an option is out of range.

    Source: Yang et al. 2019, section 3.
    """

    affinity: Affinity = field(default_factory=Affinity)
    solver: Solver = field(default_factory=Solver)
    truncate: int = 1000

    def __post_init__(self):
        if self.truncate < 1:
            raise InputError(
                f"offline diffusion needs truncate >= 1; got {self.truncate}"
            )

    @property
    def reach(self) -> int:
        """How many results it looks at."""
        return self.affinity.kq

    def prepare(self, gallery: Gallery) -> DiffusedGallery:
        """Returns the gallery with the diffusion of its images.

        Raises:
          InputError: a row holds NaN or infinite values.
        """
        count = len(gallery.vectors)
        graph = normalised(self.affinity.graph(gallery), self_loops=False)
        lists = neighbour_lists(graph)
        near = min(self.truncate, count)
        nodes = self_neighbours(gallery.vectors, near, live=gallery.live).ids
        reached = np.empty(nodes.shape, np.float32)
        step = min(_IMAGES_AT_ONCE, count)
        for start in range(0, count, step):
            # The last block ends with the last image, so that one program is enough.
            rows = slice(min(start, count - step), min(start, count - step) + step)
            right = np.zeros((step, near), np.float32)
            right[:, 0] = nodes[rows, 0] != MISSING_ID
            reached[rows] = solve_within(
                lists, nodes[rows], right, self.solver, normalise=False
            )
        kept = (nodes != MISSING_ID) & (reached > 0)
        ends = np.concatenate([[0], np.cumsum(kept.sum(axis=1))])
        shape = (count, count)
        rows = sparse.csr_array((reached[kept], nodes[kept], ends), shape=shape)
        return DiffusedGallery(gallery.vectors, gallery.live, reached=rows)

    def __call__(
        self, asked: Asked, ranking: Ranking, gallery: Gallery
    ) -> tuple[Asked, Ranking]:
        """Returns the queries as they are and the images ranked by what reaches them.

        Args:
          asked: Q queries.
          ranking: of the gallery, [Q, K].
          gallery: as `prepare` returned it.
        """
        assert isinstance(gallery, DiffusedGallery)

        def reached_by(rows: slice, part: Ranking):
            at, weights = self.affinity.entry(part)
            ends = np.arange(len(at) + 1) * at.shape[1]
            shape = (len(at), len(gallery.vectors))
            entry = sparse.csr_array((weights.ravel(), at.ravel(), ends), shape=shape)
            return sparse.csr_array(entry @ gallery.reached).toarray()

        return asked, ranked_in_blocks(
            ranking, gallery, reached_by, most=_QUERIES_AT_ONCE
        )
