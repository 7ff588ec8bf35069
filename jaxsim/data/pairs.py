"""Batches of pairs of descriptors: of labelled images, or drawn by their cosine."""

import copy
from collections.abc import Generator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Int32, Int64

from jaxsim.core.errors import InputError
from jaxsim.core.rng import rng
from jaxsim.data.samplers import Sampler

PairBatch = dict[str, np.ndarray]


class DescriptorPairs:
    """Pairs of descriptors that a sampler draws, two rows a pair.

    A batch depends on the seed and the step only; each of P processes takes its part.

    Args:
      vectors: float32 [N, D].
      labels: int32 [N], codes; -1 without a label, which matches nothing.
      sampler: draws positions; rows 2i and 2i + 1 are a pair.
      process_index: which part of each batch is taken here.
      process_count: number of parts; divides the number of pairs.

    Raises:
      InputError: the batch cannot be cut into pairs and equal parts.
    """

    def __init__(
        self,
        vectors: Float32[np.ndarray, "N D"],
        labels: Int32[np.ndarray, " N"],
        sampler: Sampler,
        *,
        process_index: int = 0,
        process_count: int = 1,
    ):
        if sampler.batch_size % (2 * process_count):
            raise InputError(
                f"a batch of {sampler.batch_size} images cannot be cut into pairs for "
                f"{process_count} processes. Choose a number of pairs that is a "
                "multiple of the processes"
            )
        self.vectors, self.labels = vectors, labels
        self._sampler = sampler
        self._part = process_index, process_count

    @property
    def pairs(self) -> int:
        """Pairs of a batch, of all processes together."""
        return self._sampler.batch_size // 2

    def with_sampler(self, sampler: Sampler) -> "DescriptorPairs":
        """Returns the same descriptors drawn by another sampler, as many a batch."""
        other = copy.copy(self)
        other._sampler = sampler
        return other

    def matching(self, rows: Int64[np.ndarray, "P 2"]) -> np.ndarray:
        """Returns which pairs are of one label, bool [P]."""
        first, second = self.labels[rows].T
        return (first == second) & (first >= 0)

    def iterate(self, start: int, stop: int) -> Generator[PairBatch, None, None]:
        """Yields the batches of steps `start` to `stop - 1`.

        Yields:
          Of each step, this process' pairs:
          "queries", "images": float32 [B, D].
          "matching": bool [B].
          "ids": int64 [2B], positions of the images.
        """
        for step in range(start, stop):
            rows = _part(self._sampler(step).reshape(-1, 2), *self._part)
            yield {
                "queries": self.vectors[rows[:, 0]],
                "images": self.vectors[rows[:, 1]],
                "matching": self.matching(rows),
                "ids": rows.ravel(),
            }


class Synthetic(NamedTuple):
    """Stands where errors name an image, for pairs that show none."""

    name: str = "synthetic pairs"


class SyntheticPairs:
    """Pairs whose cosines are uniform on [-1, 1], new ones at every step.

    Args:
      dim: D.
      pairs: of a batch, >= 1.
      seed: >= 0.
      process_index: see `DescriptorPairs`.
      process_count: see there.

    Source: Garcia and Vogiatzis 2019, who draw half a million pairs once.
    """

    def __init__(
        self,
        dim: int,
        *,
        pairs: int,
        seed: int = 0,
        process_index: int = 0,
        process_count: int = 1,
    ):
        if pairs < 1 or pairs % process_count:
            raise InputError(
                f"{pairs} pairs cannot be cut into equal parts for {process_count} "
                "processes. Choose a multiple of their number"
            )
        self.pairs = pairs
        self._dim, self._seed = dim, seed
        self._part = process_index, process_count

    @property
    def records(self) -> Sequence[Synthetic]:
        """What the ids of the batches name."""
        return [Synthetic()]

    def iterate(self, start: int, stop: int) -> Generator[PairBatch, None, None]:
        """Yields batches as `DescriptorPairs.iterate` does; no pair matches."""
        for step in range(start, stop):
            random = rng(self._seed, "pairs/synthetic", step)
            drawn = uniform_cosine_pairs(random, self.pairs, self._dim)
            queries, images = (_part(side, *self._part) for side in drawn[:2])
            yield {
                "queries": queries,
                "images": images,
                "matching": np.zeros(len(queries), bool),
                "ids": np.zeros(2 * len(queries), np.int64),
            }


def uniform_cosine_pairs(
    random: np.random.Generator, count: int, dim: int
) -> tuple[
    Float32[np.ndarray, "B D"], Float32[np.ndarray, "B D"], Float32[np.ndarray, " B"]
]:
    """Draws pairs of unit vectors whose cosines are uniform on [-1, 1].

    x is a uniform vector of the cube, scaled to length 1; y = c x + sqrt(1 - c²) u with
    u Gaussian, made orthogonal to x and scaled to length 1.

    Args:
      random: the source of numbers.
      count: B.
      dim: D, >= 2.

    Returns:
      x and y, float32 [B, D], and c, float32 [B].

    Source: Garcia and Vogiatzis 2019, the pairs of the first training stage.
    """
    x = _unit(2 * random.random((count, dim), np.float32) - 1)
    cosines = 2 * random.random(count, np.float32) - 1
    other = random.standard_normal((count, dim), np.float32)
    other = _unit(other - np.sum(other * x, axis=1, keepdims=True) * x)
    c = cosines[:, None]
    return x, c * x + np.sqrt(1 - c**2) * other, cosines


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _part(rows: np.ndarray, index: int, count: int) -> np.ndarray:
    size = len(rows) // count
    return rows[index * size : (index + 1) * size]
