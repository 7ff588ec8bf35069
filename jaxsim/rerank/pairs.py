"""Whether two images show the same thing from elsewhere, for many pairs of images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import jax
import numpy as np
from jaxtyping import Bool, Float32, Int

from jaxsim.classical.local_features import LocalFeatures
from jaxsim.core.errors import InputError, require_choice
from jaxsim.geometry.matching import match
from jaxsim.geometry.ransac import SAMPLE_SIZES, Model, ransac

MOST_PAIRS = 16
"""Pairs for which a model is sought at once; fewer of those with many matches."""
_FEWEST_POINTS = 64
_FEWEST_MATCHES = 32
_USUAL_MATCHES = 128


@dataclass(frozen=True, eq=False)
class Agreement:
    """What two images have in common.

    Attributes:
      count: number of places where inliers lie, in the image that has fewer; 0 if no
        model was found.
      matches: int [M, 2], positions of matching points in the first and second image.
      inlier: bool [M].
      transform: float32 [3, 3], from the first image to the second, on columns
        (y, x, 1) in their pixels; zeros if no model was found.
    """

    count: int
    matches: Int[np.ndarray, "M 2"]
    inlier: Bool[np.ndarray, " M"]
    transform: Float32[np.ndarray, "3 3"]


@dataclass(frozen=True, kw_only=True)
class PairVerifier:
    """Matches the points of two images and seeks the model that most matches fit.

    Inliers are counted by place, a square as wide as the threshold: where a small
    pattern looks like many others, many points match a few, and a model that sends
    everything to that place fits all of them.

    Attributes:
      model: what relates the images.
      threshold_px: largest distance of an inlier from where the model sends it, in
        pixels of the reduced image that the second's points were found in.
      ratio: of the distances to the nearest and second nearest point.
      samples: random ones for each pair, see `jaxsim.geometry.ransac`.
      seed: with the two images, all that a pair's result depends on.

    Raises:
      InputError: an option is out of range.
    """

    model: Model = "homography"
    threshold_px: float = 5.0
    ratio: float = 0.8
    samples: int = 16384
    seed: int = 0

    def __post_init__(self):
        require_choice("model", self.model, Model)
        if not (
            self.threshold_px > 0
            and 0 < self.ratio <= 1
            and self.samples >= 1
            and self.seed >= 0
        ):
            raise InputError(
                "verification needs threshold_px > 0, 0 < ratio <= 1, samples >= 1 "
                f"and seed >= 0; got threshold_px={self.threshold_px}, "
                f"ratio={self.ratio}, samples={self.samples}, seed={self.seed}"
            )

    def verify(
        self, pairs: Sequence[tuple[LocalFeatures, LocalFeatures]]
    ) -> list[Agreement]:
        """Returns what the two images of each pair have in common.

        Args:
          pairs: features of the first and second image; the same object may be in many.
        """
        matches = self._matches(pairs)
        found = [
            Agreement(0, at, np.zeros(len(at), bool), np.zeros((3, 3), np.float32))
            for at in matches
        ]
        for rows, size in self._batches([len(at) for at in matches]):
            batch = _batch(size)
            source = np.zeros((batch, size, 2), np.float32)
            target = np.zeros((batch, size, 2), np.float32)
            valid = np.zeros((batch, size), bool)
            for i, row in enumerate(rows):
                (first, second), at = pairs[row], matches[row]
                source[i, : len(at)] = first.points[at[:, 0]] / first.pixel_size
                target[i, : len(at)] = second.points[at[:, 1]] / second.pixel_size
                valid[i, : len(at)] = True
            estimate = ransac(
                source,
                target,
                valid,
                model=self.model,
                threshold=self.threshold_px,
                samples=self.samples,
                seed=self.seed,
            )
            inliers, transforms = map(np.asarray, estimate[1:])
            for i, row in enumerate(rows):
                first, second = pairs[row]
                inlier = inliers[i, : len(matches[row])]
                ends = (points[i, : len(inlier)][inlier] for points in (source, target))
                found[row] = Agreement(
                    min(_places(points, self.threshold_px) for points in ends),
                    matches[row],
                    inlier,
                    _in_pixels(transforms[i], first.pixel_size, second.pixel_size),
                )
        return found

    def _matches(
        self, pairs: Sequence[tuple[LocalFeatures, LocalFeatures]]
    ) -> list[Int[np.ndarray, "M 2"]]:
        """Returns for each pair the positions of its matching points."""
        padded: dict[int, tuple[jax.Array, jax.Array]] = {}
        for image in (image for pair in pairs for image in pair):
            if id(image) not in padded:
                padded[id(image)] = _padded(image)
        # All are started before the first is waited for.
        started = []
        for first, second in pairs:
            query, query_valid = padded[id(first)]
            database, database_valid = padded[id(second)]
            started.append(
                match(query, database, query_valid, database_valid, ratio=self.ratio)
            )
        found = []
        for at, matching in started:
            rows = np.flatnonzero(np.asarray(matching))
            found.append(np.stack([rows, np.asarray(at)[rows]], axis=1))
        return found

    def _batches(self, counts: Sequence[int]) -> Iterator[tuple[np.ndarray, int]]:
        """Groups pairs of alike numbers of matches; those with too few are left out."""
        enough = [n if n >= SAMPLE_SIZES[self.model] else 0 for n in counts]
        sizes = np.array([n and _rounded_up(n, _FEWEST_MATCHES, 4) for n in enough])
        for size in np.unique(sizes[sizes > 0]).tolist():
            rows = np.flatnonzero(sizes == size)
            for start in range(0, len(rows), _batch(size)):
                yield rows[start : start + _batch(size)], size


def _batch(matches: int) -> int:
    """Returns how many pairs with so many matches are handled at once."""
    return max(min(MOST_PAIRS, MOST_PAIRS * _USUAL_MATCHES // matches), 1)


def _padded(image: LocalFeatures) -> tuple[jax.Array, jax.Array]:
    """Returns descriptors and which are real, in one of few shapes."""
    filling = _rounded_up(len(image), _FEWEST_POINTS, 2) - len(image)
    # Nothing is like a point without gradients.
    real = image.sift.any(axis=1)
    return jax.device_put(
        (
            np.pad(image.descriptors, ((0, filling), (0, 0))),
            np.pad(real, (0, filling)),
        )
    )


def _rounded_up(count: int, least: int, factor: int) -> int:
    """Returns the smallest of least, least * factor, … that is not below a count."""
    size = least
    while size < count:
        size *= factor
    return size


def _places(points: Float32[np.ndarray, "M 2"], side: float) -> int:
    """Returns how many squares of a grid have a point in them."""
    return len(np.unique(np.floor(points / side).astype(np.int64), axis=0))


def _in_pixels(
    transform: Float32[np.ndarray, "3 3"], first: float, second: float
) -> Float32[np.ndarray, "3 3"]:
    """Returns a transform of the images' own pixels from one of reduced images."""
    smaller, larger = np.array([first, first, 1.0]), np.array([second, second, 1.0])
    return (transform * larger[:, None] / smaller[None]).astype(np.float32)
