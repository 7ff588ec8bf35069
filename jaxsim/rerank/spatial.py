"""Spatial verification: the first results, judged by where their points lie, too."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

import numpy as np

from jaxsim.classical.local_features import LocalFeatures
from jaxsim.core.errors import InputError, require_choice
from jaxsim.core.ranking import MISSING_ID, Ranking
from jaxsim.geometry.ransac import Model
from jaxsim.rerank.base import Asked, Gallery, below
from jaxsim.rerank.pairs import PairVerifier

Fused = Literal["scores", "descriptors"]


@dataclass(frozen=True, kw_only=True)
class SpatialVerification:
    """Adds to the scores of the first results what their geometry says.

    score = cosine + inliers x per_inlier, for the first `top` results of each query,
    and these are sorted again. Few inliers are found between any two images; so they
    are fused with the descriptors' score, where they count little, and do not overrule
    it.

    The cosine is the score that a result has, if descriptors were searched last: the
    inner product of those of the query and the image, which expansion, augmentation or
    a trained graph may have changed. Other stages, such as diffusion, have scores of
    any scale, beside which a point would count for nothing or everything: they choose
    the first results, and these are judged by the inner products anew.

    The other results stay behind, as they were. Cosines only rise, so that none of the
    first can fall below them; after other stages their scores are all lowered by one
    number where needed, which keeps their order up to rounding. This keeps every id.

    Attributes:
      query_features: gives the local features of a query, by its row.
      database_features: gives those of a database image, by its id; called by several
        threads. Returning the same object for the same id saves time.
      top: how many results of each query are verified.
      per_inlier: what an inlier adds to a cosine.
      fused_with: the "scores" before, which are cosines, or the inner products of the
        "descriptors".
      model: what relates two images of one thing.
      threshold_px: see `jaxsim.rerank.pairs.PairVerifier`.
      ratio: see there.
      samples: see there.
      seed: see there.

    Raises:
      InputError: an option is out of range.

    Source: Philbin et al. 2007 for verifying the first results.
    """

    query_features: Callable[[int], LocalFeatures]
    database_features: Callable[[int], LocalFeatures]
    top: int = 50
    per_inlier: float = 0.01
    fused_with: Fused = "scores"
    model: Model = "homography"
    threshold_px: float = 5.0
    ratio: float = 0.8
    samples: int = 16384
    seed: int = 0

    def __post_init__(self):
        require_choice("fused_with", self.fused_with, Fused)
        if self.top < 1 or not 0 <= self.per_inlier < np.inf:
            raise InputError(
                "spatial verification needs top >= 1 and per_inlier >= 0; got "
                f"top={self.top} and per_inlier={self.per_inlier}"
            )
        self._verifier()

    @property
    def reach(self) -> int:
        """How many results it looks at."""
        return self.top

    def prepare(self, gallery: Gallery) -> Gallery:
        """Returns the gallery as it is."""
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
        ids, scores = ranking.ids[:, : self.top], ranking.scores[:, : self.top].copy()
        verifier = self._verifier()
        # Points that are not known yet are found by several threads.
        with ThreadPoolExecutor() as threads:
            for i, row in enumerate(asked.rows.tolist()):
                first = ids[i][ids[i] != MISSING_ID]
                if not len(first):
                    continue
                query = self.query_features(row)
                found = threads.map(self.database_features, first.tolist())
                pairs = [(query, features) for features in found]
                counts = [agreement.count for agreement in verifier.verify(pairs)]
                added = np.float32(self.per_inlier) * np.array(counts, np.float32)
                if self.fused_with == "descriptors":
                    scores[i, : len(first)] = gallery.vectors[first] @ asked.vectors[i]
                scores[i, : len(first)] += added
        top = Ranking.from_scores(ids, scores)
        rest = Ranking(ranking.ids[:, self.top :], ranking.scores[:, self.top :])
        if self.fused_with == "descriptors":
            rest = below(top, ranking, self.top)
        return asked, Ranking(
            np.concatenate([top.ids, rest.ids], axis=1),
            np.concatenate([top.scores, rest.scores], axis=1),
        )

    def _verifier(self) -> PairVerifier:
        return PairVerifier(
            model=self.model,
            threshold_px=self.threshold_px,
            ratio=self.ratio,
            samples=self.samples,
            seed=self.seed,
        )
