"""Which images of a label show one thing, and where it is in them."""

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int

from jaxsim.classical.local_features import LocalFeatures
from jaxsim.core.progress import Progress
from jaxsim.geometry.box_diffusion import diffused_boxes
from jaxsim.ops.components import connected_components, largest_component
from jaxsim.pipeline.verified_pairs import Match, VerifiedPairs, verified
from jaxsim.rerank.pairs import PairVerifier

SAVE_EVERY_S = 30.0
_AT_ONCE = 64
_SMALLEST_DETERMINANT = 1e-4


@dataclass(frozen=True, eq=False)
class LabelGraph:
    """What the matches of N images of a label say.

    Attributes:
      kept: bool [N], the largest group of images that agree; none if no two do.
      boxes: float64 [N, 4], where the thing is, (y0, x0, y1, x1) in pixels; the whole
        image for those that are not kept.
      most_inliers: int [N], of each image with any other.
      group_size: int [N], number of images in the group of each, itself included.
    """

    kept: Bool[np.ndarray, " N"]
    boxes: Float64[np.ndarray, "N 4"]
    most_inliers: Int[np.ndarray, " N"]
    group_size: Int[np.ndarray, " N"]


def all_pairs(images: int) -> Int[np.ndarray, "P 2"]:
    """Returns each pair of rows once."""
    pairs = list(itertools.combinations(range(images), 2))
    return np.array(pairs, np.int64).reshape(-1, 2)


def shortlisted_pairs(neighbours: Int[np.ndarray, "N K"]) -> Int[np.ndarray, "P 2"]:
    """Returns each pair once of which one image lists the other.

    Args:
      neighbours: int [N, K], rows of the images most like each; negative for none, and
        an image in its own list is passed over.
    """
    rows = np.repeat(np.arange(len(neighbours)), neighbours.shape[1])
    pairs = np.stack([rows, neighbours.ravel()], axis=1)
    pairs = np.sort(pairs[(pairs[:, 1] >= 0) & (pairs[:, 0] != pairs[:, 1])], axis=1)
    return np.unique(pairs, axis=0)


def ordered_by_content(
    pairs: Int[np.ndarray, "P 2"], contents: Sequence[str]
) -> Int[np.ndarray, "P 2"]:
    """Returns the pairs with the smaller content first.

    Matching treats the two images of a pair differently, and the outcome shall depend
    on what they show, not on how they are called.
    """
    place = np.unique(np.array(contents, np.str_), return_inverse=True)[1]
    smaller = place[pairs[:, :1]] <= place[pairs[:, 1:]]
    return np.where(smaller, pairs, pairs[:, ::-1])


def verify_pairs(
    pairs: Int[np.ndarray, "P 2"],
    *,
    contents: Sequence[str],
    features: Callable[[int], LocalFeatures],
    store: VerifiedPairs,
    verifier: PairVerifier,
    progress: Progress = lambda count: None,
) -> list[Match]:
    """Returns the match of each pair; those that are stored are not verified again.

    New ones are stored every half minute, at the end, and when it is interrupted.

    Args:
      pairs: int [P, 2], rows of images, the smaller content first.
      contents: names what each image shows.
      features: gives the local features of a row.
      store: where matches are kept.
      verifier: of affine maps.
      progress: called with the number of pairs done since the last call.

    Raises:
      InputError: the store cannot be written.
    """
    names = [(contents[int(i)], contents[int(j)]) for i, j in pairs]
    waiting = [row for row, pair in enumerate(names) if pair not in store.known]
    progress(len(names) - len(waiting))
    saved_s = time.monotonic()
    try:
        for start in range(0, len(waiting), _AT_ONCE):
            rows = waiting[start : start + _AT_ONCE]
            chosen = [(features(int(i)), features(int(j))) for i, j in pairs[rows]]
            found = verified(verifier, chosen)
            store.known.update(zip((names[r] for r in rows), found, strict=True))
            progress(len(rows))
            if time.monotonic() - saved_s > SAVE_EVERY_S:
                store.save()
                saved_s = time.monotonic()
    finally:
        if waiting:
            store.save()
    return [store.known[pair] for pair in names]


def label_graph(
    pairs: Int[np.ndarray, "P 2"],
    matches: Sequence[Match],
    sizes: Float64[np.ndarray, "N 2"],
    *,
    min_inliers: int,
) -> LabelGraph:
    """Keeps the largest group of images that agree, and finds the thing in each.

    Images agree if their match has enough inliers. A group is a connected component:
    images that agree with one another, or by way of others.

    Args:
      pairs: int [P, 2], rows of images.
      matches: of the pairs.
      sizes: float64 [N, 2], height and width of each image in pixels.
      min_inliers: of images that agree.

    Source: Gordo et al. 2016, section 3.3.
    """
    counts = np.array([match.count for match in matches], np.int64)
    most = np.zeros(len(sizes), np.int64)
    for end in pairs.T:
        np.maximum.at(most, end, counts)
    strong = [
        row
        for row in np.flatnonzero(counts >= min_inliers).tolist()
        if _invertible(matches[row])
    ]
    edges, weights = pairs[strong], counts[strong].astype(np.float64)
    component = connected_components(edges, nodes=len(sizes))
    group_size = np.bincount(component, minlength=len(sizes))[component]
    kept = largest_component(edges, weights, nodes=len(sizes))
    boxes = np.concatenate([np.zeros_like(sizes), sizes], axis=1)
    if kept.any():
        inside = [matches[r] for r in strong if kept[pairs[r, 0]]]
        number = np.cumsum(kept) - 1
        boxes[kept] = diffused_boxes(
            number[edges[kept[edges[:, 0]]]],
            np.array([match.boxes for match in inside], np.float64),
            np.array([match.transform for match in inside], np.float64),
            sizes[kept],
        )
    return LabelGraph(kept, boxes, most, group_size)


def _invertible(match: Match) -> bool:
    (a, b), (c, d) = match.transform[:2, :2].tolist()
    return a * d - b * c > _SMALLEST_DETERMINANT
