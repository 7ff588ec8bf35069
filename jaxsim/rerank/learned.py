"""Re-scoring: the first results, ordered by a learned similarity."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import MISSING_ID, Ranking
from jaxsim.index.ivf_plan import rounded_up
from jaxsim.rerank.base import Asked, Gallery, below
from jaxsim.rerank.similarity import Similarity, require_dimension

IMAGES_AT_ONCE = 8192


@dataclass(frozen=True, kw_only=True)
class LearnedReranking:
    """Orders the first results of each query by a similarity of pairs.

    A number of results at least that of the images re-scores everything. Results after
    the first `top` stay behind them in their order, up to rounding: where needed their
    scores are all lowered by one number, so that the ranking's scores still fall. This
    keeps every id.

    Attributes:
      similarity: scores pairs of a query and an image.
      top: how many results of each query are scored.

    Raises:
      InputError: `top` < 1.

    Source: Garcia and Vogiatzis 2019, section 3.3.
    """

    similarity: Similarity
    top: int = 100

    def __post_init__(self):
        if self.top < 1:
            raise InputError(f"re-scoring needs top >= 1; got top={self.top}")

    @property
    def reach(self) -> int:
        """How many results it looks at."""
        return self.top

    def prepare(self, gallery: Gallery) -> Gallery:
        """Returns the gallery as it is.

        Raises:
          InputError: its descriptors have another dimension than the similarity.
        """
        require_dimension(self.similarity, gallery.vectors)
        return gallery

    def __call__(
        self, asked: Asked, ranking: Ranking, gallery: Gallery
    ) -> tuple[Asked, Ranking]:
        """Returns the queries as they are and the ranking with the first part sorted.

        Args:
          asked: Q queries.
          ranking: of the gallery, [Q, K].
          gallery: that was ranked.
        """
        first = ranking.ids[:, : self.top]
        found = first != MISSING_ID
        if not found.any():
            return asked, ranking
        scores = np.zeros(first.shape, np.float32)
        scores[found] = self._scores(
            asked.vectors, gallery.vectors, np.nonzero(found)[0], first[found]
        )
        top = Ranking.from_scores(first, scores)
        rest = below(top, ranking, self.top)
        return asked, Ranking(
            np.concatenate([top.ids, rest.ids], axis=1),
            np.concatenate([top.scores, rest.scores], axis=1),
        )

    def _scores(self, queries, vectors, who, ids) -> Float32[np.ndarray, " P"]:
        """Scores pairs; each image that any query asks for is prepared once."""
        images, place = np.unique(ids, return_inverse=True)
        scores = np.empty(len(ids), np.float32)
        for start in range(0, len(images), IMAGES_AT_ONCE):
            block = vectors[images[start : start + IMAGES_AT_ONCE]]
            inside = np.flatnonzero((place >= start) & (place < start + len(block)))
            # Filled up, so that few shapes are compiled.
            filling = rounded_up(len(block)) - len(block)
            parts = self.similarity.image_parts(np.pad(block, ((0, filling), (0, 0))))
            scores[inside] = self.similarity.pair_scores(
                queries, parts, who[inside], place[inside] - start
            )
        return scores
