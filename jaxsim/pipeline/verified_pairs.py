"""Pairs of images that were verified, on disk, so that none is verified twice."""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from jaxsim.classical.local_features import LocalFeatures
from jaxsim.core.files import atomic_write
from jaxsim.geometry.boxes import enclosing_box
from jaxsim.rerank.pairs import Agreement, PairVerifier

FORMAT = 2
Names = tuple[str, str]
"""Of the contents of two images, the smaller first."""


class Match(NamedTuple):
    """What remains of a verified pair.

    Attributes:
      count: number of places where inliers lie, see `Agreement`.
      transform: float32 [3, 3], affine, from the first image to the second, on columns
        (y, x, 1) in their pixels, where the first pixel reaches from 0 to 1.
      boxes: float32 [2, 4], around the inliers in the first and the second image, in
        the same units.
    """

    count: int
    transform: Float32[np.ndarray, "3 3"]
    boxes: Float32[np.ndarray, "2 4"]


NO_MATCH = Match(0, np.zeros((3, 3), np.float32), np.zeros((2, 4), np.float32))


def verified(
    verifier: PairVerifier, pairs: Sequence[tuple[LocalFeatures, LocalFeatures]]
) -> list[Match]:
    """Verifies pairs of images.

    Args:
      verifier: of affine maps.
      pairs: features of the first and second image.
    """
    agreements = verifier.verify(pairs)
    return [_match(found, *pair) for found, pair in zip(agreements, pairs, strict=True)]


def _match(found: Agreement, first: LocalFeatures, second: LocalFeatures) -> Match:
    if not found.count:
        return NO_MATCH
    at = found.matches[found.inlier]
    # The first pixel reaches from 0 to 1, its centre is where points count from.
    ends = (first.points[at[:, 0]] + 0.5, second.points[at[:, 1]] + 0.5)
    transform = found.transform.copy()
    transform[:2, 2] += 0.5 - 0.5 * transform[:2, :2].sum(axis=1)
    boxes = np.stack([enclosing_box(points) for points in ends])
    return Match(found.count, transform, boxes.astype(np.float32))


@dataclass(frozen=True)
class VerifiedPairs:
    """Verified pairs by the contents of the two images.

    Attributes:
      path: the file that keeps them.
      known: what is known so far.
    """

    path: Path
    known: dict[Names, Match]

    @classmethod
    def open(cls, path: Path) -> "VerifiedPairs":
        """Returns the pairs that a file keeps; none if it is absent or damaged."""
        return cls(path, _read(path))

    def save(self) -> None:
        """Writes all that is known.

        Raises:
          InputError: the file cannot be written.
        """
        names = sorted({name for pair in self.known for name in pair})
        number = {name: i for i, name in enumerate(names)}
        pairs = [(number[a], number[b]) for a, b in self.known]
        matches = list(self.known.values())
        with atomic_write(self.path) as file:
            np.savez(
                file,
                allow_pickle=False,
                names=np.array(names, np.str_),
                pairs=np.array(pairs, np.int32).reshape(-1, 2),
                counts=np.array([match.count for match in matches], np.int32),
                transforms=_stacked([match.transform for match in matches], (3, 3)),
                boxes=_stacked([match.boxes for match in matches], (2, 4)),
            )


def _stacked(arrays: list[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    return np.array(arrays, np.float32).reshape(-1, *shape)


def _read(path: Path) -> dict[Names, Match]:
    fields = ("names", "pairs", "counts", "transforms", "boxes")
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            names, pairs, counts, transforms, boxes = (stored[key] for key in fields)
        matches = map(Match, counts.tolist(), transforms, boxes)
        return {
            (str(names[a]), str(names[b])): match
            for (a, b), match in zip(pairs.tolist(), matches, strict=True)
        }
    except (OSError, ValueError, KeyError, IndexError, EOFError, zipfile.BadZipFile):
        return {}
