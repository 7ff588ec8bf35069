"""Which images make a batch, as pure functions of the seed and the step.

Every process computes the whole batch and takes its part, and a run that is resumed at
a step draws what it would have drawn: there is no state to store.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int64

from jaxsim.core.errors import InputError
from jaxsim.core.rng import rng
from jaxsim.data.label_groups import LabelGroups, group_by_label


@runtime_checkable
class Sampler(Protocol):
    """Draws batches."""

    @property
    def batch_size(self) -> int:
        """Images of every batch."""
        ...

    @property
    def steps_per_epoch(self) -> int:
        """Steps in which about every image has its turn, >= 1."""
        ...

    def __call__(self, step: int) -> Int64[np.ndarray, " B"]:
        """Returns positions among the images.

        Args:
          step: >= 0.
        """
        ...


def size_options(sampler: Sampler) -> str:
    """Returns the options that make the size of a sampler's batches.

    >>> size_options(PK(["a", "a", "b", "b"], num_labels=2, per_label=3))
    'sampler.num_labels=2 x sampler.per_label=3'
    """
    options = [
        f"sampler.{name}={getattr(sampler, name)}"
        for name in ("num_labels", "per_label", "pairs", "triplets", "batch_size")
        if name in getattr(sampler, "__dataclass_fields__", ())
    ]
    return " x ".join(options) or "sampler"


@dataclass(frozen=True)
class PK:
    """Draws P labels and K images of each: the rows of a label are neighbours.

    The labels of a batch differ, all being equally likely. The images of a label differ
    too if it has K; if it has fewer, each comes floor(K/n) or ceil(K/n) times. Images
    without a label, and labels with a single image, are left out.

    Args:
      labels: of each image.
      num_labels: P, >= 2.
      per_label: K, >= 2.
      seed: >= 0.

    Raises:
      InputError: an option is out of range, or fewer than P labels have two images.

    Source: Hermans, Beyer & Leibe 2017, "In defense of the triplet loss", section 2.
    """

    labels: Sequence[str | None] = field(repr=False)
    _: KW_ONLY
    num_labels: int = 8
    per_label: int = 4
    seed: int = 0

    def __post_init__(self) -> None:
        _require(self.seed, num_labels=(self.num_labels, 2))
        _require(self.seed, per_label=(self.per_label, 2))
        _require_partners(self._groups)
        usable = len(self._usable)
        if usable < 2:
            raise InputError(
                "training needs at least two labels with two images each, and there "
                f"are {usable}; 'jaxsim data check' tells what each label has"
            )
        if usable < self.num_labels:
            raise InputError(
                f"num_labels={self.num_labels}, but only {usable} labels have two "
                f"images or more. Set num_labels={usable} and a larger per_label for "
                "batches of the same size, or add images"
            )

    @cached_property
    def _groups(self) -> LabelGroups:
        return group_by_label(self.labels)

    @cached_property
    def _usable(self) -> np.ndarray:
        return np.flatnonzero(self._groups.size >= 2)

    @property
    def batch_size(self) -> int:
        """P * K."""
        return self.num_labels * self.per_label

    @cached_property
    def steps_per_epoch(self) -> int:
        """Steps that draw as many images as can be drawn."""
        return -(-int(self._groups.size[self._usable].sum()) // self.batch_size)

    def __call__(self, step: int) -> Int64[np.ndarray, " B"]:
        """Returns int64 [P * K], grouped by label."""
        random = rng(self.seed, "samplers/pk", step)
        chosen = random.choice(len(self._usable), self.num_labels, replace=False)
        ranks = [
            start + _draw_evenly(random, size, self.per_label)
            for start, size in zip(
                self._groups.start[self._usable[chosen]].tolist(),
                self._groups.size[self._usable[chosen]].tolist(),
                strict=True,
            )
        ]
        return self._groups.order[np.concatenate(ranks)]


@dataclass(frozen=True)
class RandomPairs:
    """Draws pairs in rows 2i and 2i+1; those of even i match, the others do not.

    The first of a pair is any image that has a partner, all being equally likely; the
    second is any other image of its label, or any image of another label. Images
    without a label are left out.

    Args:
      labels: of each image.
      pairs: of a batch, >= 1.
      seed: >= 0.

    Raises:
      InputError: an option is out of range, there are fewer than two labels, or none
        has two images.
    """

    labels: Sequence[str | None] = field(repr=False)
    _: KW_ONLY
    pairs: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        _require(self.seed, pairs=(self.pairs, 1))
        _require_partners(self._draw.groups)

    @cached_property
    def _draw(self) -> "_Partners":
        return _Partners(group_by_label(self.labels))

    @property
    def batch_size(self) -> int:
        """Two for each pair."""
        return 2 * self.pairs

    @property
    def steps_per_epoch(self) -> int:
        """Steps that draw as many pairs as there are images with a partner."""
        return -(-len(self._draw.anchors) // self.pairs)

    def __call__(self, step: int) -> Int64[np.ndarray, " B"]:
        """Returns int64 [2 * pairs]."""
        random = rng(self.seed, "samplers/pairs", step)
        first = self._draw.anchor(random, self.pairs)
        second = np.empty_like(first)
        second[::2] = self._draw.same_label(random, first[::2])
        second[1::2] = self._draw.other_label(random, first[1::2])
        return self._draw.groups.order[np.stack([first, second], axis=1).ravel()]


@dataclass(frozen=True)
class RandomTriplets:
    """Draws triplets in rows 3i, 3i+1 and 3i+2: anchor, positive, negative.

    The anchor is any image that has a partner, the positive any other image of its
    label, the negative any image of another label, all being equally likely. Images
    without a label are left out.

    Args:
      labels: of each image.
      triplets: of a batch, >= 1.
      seed: >= 0.

    Raises:
      InputError: an option is out of range, there are fewer than two labels, or none
        has two images.
    """

    labels: Sequence[str | None] = field(repr=False)
    _: KW_ONLY
    triplets: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        _require(self.seed, triplets=(self.triplets, 1))
        _require_partners(self._draw.groups)

    @cached_property
    def _draw(self) -> "_Partners":
        return _Partners(group_by_label(self.labels))

    @property
    def batch_size(self) -> int:
        """Three for each triplet."""
        return 3 * self.triplets

    @property
    def steps_per_epoch(self) -> int:
        """Steps that draw as many triplets as there are images with a partner."""
        return -(-len(self._draw.anchors) // self.triplets)

    def __call__(self, step: int) -> Int64[np.ndarray, " B"]:
        """Returns int64 [3 * triplets]."""
        random = rng(self.seed, "samplers/triplets", step)
        anchor = self._draw.anchor(random, self.triplets)
        positive = self._draw.same_label(random, anchor)
        negative = self._draw.other_label(random, anchor)
        rows = np.stack([anchor, positive, negative], axis=1).ravel()
        return self._draw.groups.order[rows]


@dataclass(frozen=True)
class Uniform:
    """Draws every image once an epoch, in an order of each epoch's own.

    Epochs follow each other without a gap: a batch that an epoch cannot fill begins
    with its last images and goes on with the next epoch's first. Images without a
    label are left out.

    Args:
      labels: of each image.
      batch_size: >= 1; may exceed the number of images.
      seed: >= 0.

    Raises:
      InputError: an option is out of range, or no image has a label.
    """

    labels: Sequence[str | None] = field(repr=False)
    _: KW_ONLY
    batch_size: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        _require(self.seed, batch_size=(self.batch_size, 1))
        if not len(self._positions):
            raise InputError(
                f"none of the {len(self.labels)} images has a label. Put the images of "
                "each thing into a folder of its own, or name labels in a manifest"
            )

    @cached_property
    def _positions(self) -> np.ndarray:
        return np.flatnonzero([label is not None for label in self.labels])

    @cached_property
    def _order(self) -> Callable[[int], np.ndarray]:
        # A batch touches two epochs at most unless it exceeds the count.
        return functools.lru_cache(maxsize=2)(
            lambda epoch: rng(self.seed, "samplers/uniform", epoch).permutation(
                self._positions
            )
        )

    @property
    def steps_per_epoch(self) -> int:
        """Steps after which every image has been drawn, rounded up."""
        return -(-len(self._positions) // self.batch_size)

    def __call__(self, step: int) -> Int64[np.ndarray, " B"]:
        """Returns int64 [batch_size]."""
        rows = step * self.batch_size + np.arange(self.batch_size, dtype=np.int64)
        epochs, places = np.divmod(rows, len(self._positions))
        return np.concatenate(
            [
                self._order(epoch)[places[epochs == epoch]]
                for epoch in range(int(epochs[0]), int(epochs[-1]) + 1)
            ]
        )


class _Partners:
    """Draws images that match others, or do not; images are places in `order`."""

    def __init__(self, groups: LabelGroups):
        self.groups = groups
        self._code = groups.codes[groups.order]
        self.anchors = np.flatnonzero(groups.size[self._code] >= 2)

    def anchor(self, random: np.random.Generator, count: int) -> np.ndarray:
        """Returns images that are not alone with their label."""
        return self.anchors[random.integers(0, len(self.anchors), count)]

    def same_label(self, random: np.random.Generator, places: np.ndarray) -> np.ndarray:
        """Returns another image of each one's label."""
        start, size = self._group_of(places)
        ahead = random.integers(1, size)
        return start + (places - start + ahead) % size

    def other_label(
        self, random: np.random.Generator, places: np.ndarray
    ) -> np.ndarray:
        """Returns an image of another label for each."""
        start, size = self._group_of(places)
        drawn = random.integers(0, len(self._code) - size)
        return np.where(drawn < start, drawn, drawn + size)

    def _group_of(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        code = self._code[places]
        return self.groups.start[code], self.groups.size[code]


def _draw_evenly(random: np.random.Generator, size: int, count: int) -> np.ndarray:
    """Returns `count` of `size` things, none again before all were drawn."""
    rounds = [
        random.choice(size, min(size, count - done), replace=False)
        for done in range(0, count, size)
    ]
    return np.concatenate(rounds)


def _require(seed: int, **least: tuple[int, int]) -> None:
    """Raises unless the seed and each (value, least value) are in range."""
    for name, (value, smallest) in {"seed": (seed, 0), **least}.items():
        if value < smallest:
            raise InputError(f"{name}={value} must be at least {smallest}")


def _require_partners(groups: LabelGroups) -> None:
    if len(groups.names) < 2:
        raise InputError(
            f"the {len(groups.codes)} images have {len(groups.names)} labels; at "
            "least two are needed. Put the images of each thing into a folder of its "
            "own, or name labels in a manifest"
        )
    if not (groups.size >= 2).any():
        raise InputError(
            f"none of the {len(groups.names)} labels has two images, so no image has a "
            "partner. Add images, or use labels that several images share"
        )
