"""Query expansion: ask again with the query and its first results together."""

from dataclasses import dataclass

import numpy as np

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import Ranking
from jaxsim.rerank.base import Asked, Gallery, neighbours

ITSELF = 1 - 1e-5
"""Cosine from which on a result is the query."""


@dataclass(frozen=True, kw_only=True)
class QueryExpansion:
    """Asks again with a weighted mean of the query and its first results.

    q' = q + Σ s_iᵅ x_i over the first k results, scaled to length 1, where s_i is the
    inner product of q and x_i, cut off at 0, whatever scores the results have: those
    of diffusion, say, are no cosines. With α = 0 that is average query expansion. A
    result that is the query itself joins no second time, as where images of an index
    ask.

    Attributes:
      k: how many results join the query.
      alpha: α >= 0.

    Raises:
      InputError: k < 1 or alpha < 0.

    Source: Chum et al. 2007 for the mean; Radenović et al. 2018, section 5.1, for α.
    """

    k: int = 10
    alpha: float = 0.0

    def __post_init__(self):
        if self.k < 1 or not self.alpha >= 0:
            raise InputError(
                f"query expansion needs k >= 1 and alpha >= 0; got k={self.k} and "
                f"alpha={self.alpha}"
            )

    @property
    def reach(self) -> int:
        """How many results it looks at."""
        return self.k

    def prepare(self, gallery: Gallery) -> Gallery:
        """Returns the gallery as it is."""
        return gallery

    def __call__(
        self, asked: Asked, ranking: Ranking, gallery: Gallery
    ) -> tuple[Asked, Ranking]:
        """Returns the expanded queries and what they find.

        Args:
          asked: Q queries.
          ranking: of the gallery, [Q, K].
          gallery: that was ranked.
        """
        vectors = neighbours(ranking, gallery, self.k)
        cosines = np.einsum("qkd,qd->qk", vectors, asked.vectors)
        weights = np.maximum(cosines, 0) ** self.alpha
        weights[ranking.ids[:, : self.k] < 0] = 0
        weights[cosines > ITSELF] = 0
        expanded = asked.vectors + np.einsum("qk,qkd->qd", weights, vectors)
        length = np.linalg.norm(expanded, axis=1, keepdims=True)
        expanded = (expanded / np.maximum(length, 1e-12)).astype(np.float32)
        again = gallery.search(expanded, ranking.ids.shape[1])
        return Asked(expanded, asked.rows), again
