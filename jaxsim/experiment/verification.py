"""Neighbours of photos by spatial verification: candidates, inliers, order."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Int32

from jaxsim.classical.feature_cache import FeatureCache
from jaxsim.core.progress import Bars
from jaxsim.data.records import Record
from jaxsim.pipeline.clean_label import ordered_by_content
from jaxsim.pipeline.local_features import RecordFeatures, find_points
from jaxsim.pipeline.pair_counts import FORMAT, PairCounts
from jaxsim.pipeline.verified_lists import (
    count_inliers,
    listed_pairs,
    ordered_by_inliers,
)
from jaxsim.rerank.pairs import PairVerifier

CANDIDATES = 100
"""Nearest images by descriptors, whose points are looked at."""


class VerifiedLists(NamedTuple):
    """Candidates in their new order.

    Attributes:
      ids: int32 [Q, K]; -1 where there is none.
      inliers: int32 [Q, K]; -1 where the id is.
      unusable: why some images have no local features, by row.
    """

    ids: Int32[np.ndarray, "Q K"]
    inliers: Int32[np.ndarray, "Q K"]
    unusable: dict[int, str]


@dataclass(frozen=True, kw_only=True)
class PhotoVerifier:
    """Photos whose points are compared, and where is kept what was found.

    Attributes:
      records: the photos.
      contents: of each, see `jaxsim.data.records.content_of`.
      features_folder: where local features are kept.
      pairs_folder: where inliers are kept.
      verifier: counts them.
    """

    records: Sequence[Record]
    contents: Sequence[str]
    features_folder: Path
    pairs_folder: Path
    verifier: PairVerifier = PairVerifier()

    def verify(
        self,
        owners: Int[np.ndarray, " Q"],
        candidates: Int32[np.ndarray, "Q K"],
        bars: Bars,
    ) -> VerifiedLists:
        """Orders candidates by falling inliers; ties stay in the order given.

        Two photos of which each may be the other's candidate are compared once, the
        smaller content first. A run that was killed goes on where it was, and photos
        that are new later are compared alone.

        Args:
          owners: int [Q], rows of the photos whose candidates these are.
          candidates: int32 [Q, K], rows of photos, the nearest first; -1 for none.
          bars: shows progress.

        Raises:
          InputError: the folders cannot be written.
        """
        cache = FeatureCache(folder=self.features_folder)
        features = RecordFeatures(self.records, cache, self.contents)
        listed = listed_pairs(owners, candidates)
        rows = np.unique(listed).tolist()
        unusable = find_points(features, rows, bars)
        ordered = ordered_by_content(listed, self.contents)
        pairs, which = np.unique(ordered, axis=0, return_inverse=True)
        with bars("verify", len(pairs), "pairs") as progress:
            counts = count_inliers(
                pairs,
                contents=self.contents,
                features=features,
                without=unusable,
                store=PairCounts(self.pairs_folder / self._rules(cache)),
                verifier=self.verifier,
                progress=progress,
            )
        ids, inliers = ordered_by_inliers(candidates, counts[which.reshape(-1)])
        return VerifiedLists(ids, inliers, unusable)

    def _rules(self, cache: FeatureCache) -> str:
        """Returns the name of a folder for pairs that are compared in one way."""
        found = self.verifier
        points = f"{cache.engine}-{cache.size_px}-{cache.limit}"
        rules = f"{found.threshold_px:g}-{found.ratio:g}-{found.samples}-{found.seed}"
        return f"inliers{FORMAT}-{found.model}-{points}-{rules}"
