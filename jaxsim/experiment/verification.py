"""Neighbours of photos by spatial verification: candidates, inliers, order."""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Int, Int32

from jaxsim.classical.feature_cache import FeatureCache
from jaxsim.classical.local_features import LocalFeatures
from jaxsim.core.progress import Bars
from jaxsim.core.ranking import MISSING_ID
from jaxsim.data.images import RejectedImage
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

_log = logging.getLogger(__name__)
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


@dataclass(frozen=True, kw_only=True)
class QueryVerifier:
    """Orders results of queries as `PhotoVerifier` does, and keeps no inliers.

    Attributes:
      queries: gives points of the images that ask; the row is that of the query.
      database: gives those of the results.
      verifier: counts inliers.
    """

    queries: RecordFeatures
    database: RecordFeatures
    verifier: PairVerifier = PairVerifier()

    def __call__(
        self, rows: Int[np.ndarray, " Q"], candidates: Int32[np.ndarray, "Q K"]
    ) -> Int32[np.ndarray, "Q K"]:
        """Returns candidates by falling inliers; ties stay in the order given.

        Images that cannot be used match nothing, with a warning.

        Args:
          rows: int [Q], of the queries.
          candidates: int32 [Q, K], rows of the database, the nearest first; -1 for
            none.
        """
        ordered = candidates.copy()
        # Points that are not known yet are found by several threads.
        with ThreadPoolExecutor() as threads:
            for i, row in enumerate(rows.tolist()):
                ids = candidates[i : i + 1]
                found = threads.map(
                    partial(_named_points, self.database),
                    ids[ids != MISSING_ID].tolist(),
                )
                counts = self._counts([_named_points(self.queries, row), *found])
                ordered[i] = ordered_by_inliers(ids, counts)[0]
        return ordered

    def _counts(
        self, images: Sequence[tuple[str, LocalFeatures]]
    ) -> Int32[np.ndarray, " K"]:
        """Returns the inliers of the first image with each of the others."""
        others = np.arange(1, len(images))[None]
        pairs = ordered_by_content(
            listed_pairs(np.array([0]), others), [content for content, _ in images]
        )
        chosen = [(images[i][1], images[j][1]) for i, j in pairs.tolist()]
        counts = [agreement.count for agreement in self.verifier.verify(chosen)]
        return np.array(counts, np.int32)


def points_or_none(features: RecordFeatures, row: int) -> LocalFeatures:
    """Returns no points where an image cannot be used, so that nothing agrees with it.

    Args:
      features: of the images.
      row: of the image.
    """
    try:
        return features(row)
    except (OSError, RejectedImage) as error:
        name = features.records[row].name
        _log.warning("no local features of %s: %s", name, error)
        nothing = np.zeros((0, 2), np.float32), np.zeros((0, 128), np.uint8)
        return LocalFeatures(*nothing, pixel_size=1.0)


def _named_points(features: RecordFeatures, row: int) -> tuple[str, LocalFeatures]:
    """Returns the content and the points; without any no order of images matters."""
    points = points_or_none(features, row)
    return (features.content(row) if len(points) else ""), points
