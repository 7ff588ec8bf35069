"""Neighbours ordered by how well their points lie as in the image itself."""

from collections.abc import Callable, Collection, Sequence

import numpy as np
from jaxtyping import Int, Int32

from jaxsim.classical.local_features import LocalFeatures
from jaxsim.core.progress import Progress
from jaxsim.core.ranking import MISSING_ID
from jaxsim.pipeline.pair_counts import UNKNOWN, PairCounts, pair_keys
from jaxsim.rerank.pairs import PairVerifier

_AT_ONCE = 64


def count_inliers(
    pairs: Int[np.ndarray, "P 2"],
    *,
    contents: Sequence[str],
    features: Callable[[int], LocalFeatures],
    without: Collection[int] = (),
    store: PairCounts,
    verifier: PairVerifier,
    progress: Progress = lambda count: None,
) -> Int32[np.ndarray, " P"]:
    """Returns the inliers of each pair; those that are stored are not sought again.

    Args:
      pairs: int [P, 2], rows of images, each pair once.
      contents: names what each image shows.
      features: gives the local features of a row.
      without: rows whose features cannot be found now; their pairs count 0, which is
        not stored.
      store: where counts are kept, also when it is interrupted.
      verifier: counts them.
      progress: called with the number of pairs done since the last call.

    Raises:
      InputError: the store cannot be written.
    """
    keys = pair_keys(pairs, contents)
    counts = store.of(keys)
    blind = np.isin(pairs, list(without)).any(axis=1) & (counts == UNKNOWN)
    counts[blind] = 0
    waiting = np.flatnonzero(counts == UNKNOWN)
    progress(len(pairs) - len(waiting))
    try:
        for start in range(0, len(waiting), _AT_ONCE):
            rows = waiting[start : start + _AT_ONCE]
            chosen = [(features(i), features(j)) for i, j in pairs[rows].tolist()]
            counts[rows] = [found.count for found in verifier.verify(chosen)]
            store.put(keys[rows], counts[rows])
            progress(len(rows))
    finally:
        store.save()
    return counts


def listed_pairs(
    owners: Int[np.ndarray, " Q"], candidates: Int[np.ndarray, "Q K"]
) -> Int[np.ndarray, "P 2"]:
    """Returns the pairs (owner, candidate) of lists, row by row; missing ones left out.

    Args:
      owners: int [Q], rows of the images whose lists these are.
      candidates: int [Q, K], rows of images; -1 where there is none.
    """
    known = candidates != MISSING_ID
    return np.stack([owners[np.nonzero(known)[0]], candidates[known]], axis=1)


def ordered_by_inliers(
    candidates: Int32[np.ndarray, "Q K"], counts: Int[np.ndarray, " P"]
) -> tuple[Int32[np.ndarray, "Q K"], Int32[np.ndarray, "Q K"]]:
    """Returns the lists by falling inliers, ties in the order given, and the inliers.

    Args:
      candidates: int32 [Q, K], the nearest first; -1 where there is none.
      counts: int [P], inliers of the pairs of `listed_pairs`.

    Returns:
      int32 [Q, K] rows, -1 last; int32 [Q, K] inliers, -1 where the row is.
    """
    inliers = np.full(candidates.shape, -1, np.int32)
    inliers[candidates != MISSING_ID] = counts
    order = np.argsort(-inliers, axis=1, kind="stable")
    return (
        np.take_along_axis(candidates, order, axis=1),
        np.take_along_axis(inliers, order, axis=1),
    )
