"""What a collection holds, and what of it would harm training or measuring."""

import bisect
import collections
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from jaxsim.data.inspection import UsableImage
from jaxsim.data.label_groups import group_by_label
from jaxsim.data.records import Record
from jaxsim.data.rejects import Reject

SIDES_PX = (128, 256, 512, 1024, 2048, 4096)
ASPECTS = (1.1, 1.4, 1.6, 2.0, 3.0)
TRAINING_FIRST = ("train", "val", "valid", "validation", "test")


class Split(NamedTuple):
    """One part of a collection.

    Attributes:
      name: None for images without a split.
      images: all of them, usable or not.
      labels: different ones.
      unlabelled: images without a label.
      lonely: labels with fewer than two usable images, sorted: they train nothing, and
        find nothing among themselves.
      untrained: labels that the split "train" lacks, sorted; none where there is no
        such split.
    """

    name: str | None
    images: int
    labels: int
    unlabelled: int
    lonely: tuple[str, ...]
    untrained: tuple[str, ...]


class Copies(NamedTuple):
    """Images with the same content.

    Attributes:
      ids: two or more row numbers.
      across_splits: they are not all of one split, so that what is measured on one part
        was seen in another.
      labels_differ: they are not all of one label, so that some label is wrong.
    """

    ids: tuple[int, ...]
    across_splits: bool
    labels_differ: bool


class NearDuplicate(NamedTuple):
    """An image that looks like one of another split.

    Attributes:
      id: of the image.
      like: the most similar image of the splits before its own.
      score: their cosine similarity.
    """

    id: int
    like: int
    score: float


@dataclass(frozen=True, kw_only=True)
class DataCheck:
    """What was found.

    Attributes:
      records: all images; the position is the id.
      inspected: of each what it is, or why it cannot be used.
      unfollowed: paths that never became records.
      near_duplicates: between splits, most similar first; copies are not among them.
    """

    records: Sequence[Record]
    inspected: Sequence[UsableImage | Reject]
    unfollowed: Sequence[Reject] = ()
    near_duplicates: Sequence[NearDuplicate] = ()

    @cached_property
    def usable(self) -> dict[int, UsableImage]:
        """The images that can be used, by id."""
        return {
            i: image
            for i, image in enumerate(self.inspected)
            if isinstance(image, UsableImage)
        }

    @cached_property
    def rejects(self) -> list[Reject]:
        """What cannot be used, and why."""
        unusable = [item for item in self.inspected if isinstance(item, Reject)]
        return [*self.unfollowed, *unusable]

    @cached_property
    def num_labels(self) -> int:
        """Different labels of all splits."""
        return len({record.label for record in self.records} - {None})

    @cached_property
    def splits(self) -> list[Split]:
        """The parts, training first."""
        return [
            self._split(name)
            for name in in_order({record.split for record in self.records})
        ]

    def _split(self, name: str | None) -> Split:
        ids = [i for i, record in enumerate(self.records) if record.split == name]
        groups = group_by_label([self.records[i].label for i in ids])
        usable = collections.Counter(
            self.records[i].label for i in ids if i in self.usable
        )
        return Split(
            name=name,
            images=len(ids),
            labels=len(groups.names),
            unlabelled=int((groups.codes < 0).sum()),
            lonely=tuple(label for label in groups.names if usable[label] < 2),
            untrained=tuple(
                label
                for label in groups.names
                if self._trained and label not in self._trained
            ),
        )

    @cached_property
    def _trained(self) -> set[str]:
        """The labels of the split "train"."""
        return {
            record.label
            for record in self.records
            if record.split == TRAINING_FIRST[0] and record.label is not None
        }

    @cached_property
    def longest_sides(self) -> dict[str, int]:
        """Number of usable images by their longer side in pixels."""
        sides = [max(image.height, image.width) for image in self.usable.values()]
        return histogram(sides, SIDES_PX)

    @cached_property
    def aspects(self) -> dict[str, int]:
        """Number of usable images by their longer side as a multiple of the shorter."""
        ratios = [
            max(image.height, image.width) / min(image.height, image.width)
            for image in self.usable.values()
        ]
        return histogram(ratios, ASPECTS)

    @cached_property
    def copies(self) -> list[Copies]:
        """Images with the same content, those that do most harm first."""
        ids_of = collections.defaultdict(list)
        for i, image in self.usable.items():
            ids_of[image.content].append(i)
        groups = [self._copies(ids) for ids in ids_of.values() if len(ids) > 1]
        return sorted(
            groups, key=lambda g: (not g.across_splits, not g.labels_differ, g.ids)
        )

    def _copies(self, ids: list[int]) -> Copies:
        splits = {self.records[i].split for i in ids}
        labels = {self.records[i].label for i in ids}
        return Copies(tuple(ids), len(splits) > 1, len(labels) > 1)

    def to_json(self) -> dict[str, object]:
        """Returns everything as JSON values, with the names of the images."""
        return {
            "images": len(self.records),
            "usable": len(self.usable),
            "labels": self.num_labels,
            "splits": [
                {
                    **split._asdict(),
                    "lonely": list(split.lonely),
                    "untrained": list(split.untrained),
                }
                for split in self.splits
            ],
            "rejects": [{"name": r.name, "reason": r.reason} for r in self.rejects],
            "longest_side_px": self.longest_sides,
            "aspect": self.aspects,
            "copies": [
                {**group._asdict(), "ids": list(group.ids), "images": self._name(group)}
                for group in self.copies
            ],
            "near_duplicates": [
                {
                    "image": self.records[near.id].name,
                    "like": self.records[near.like].name,
                    "score": round(near.score, 6),
                    "labels_differ": self.records[near.id].label
                    != self.records[near.like].label,
                }
                for near in self.near_duplicates
            ],
        }

    def _name(self, group: Copies) -> list[str]:
        return [self.records[i].name for i in group.ids]


def in_order(splits: Iterable[str | None]) -> list[str | None]:
    """Returns names of splits: training, validation, test, then the others by name.

    >>> in_order({"test", None, "train", "extra"})
    ['train', 'test', 'extra', None]
    """
    rank = {name: place for place, name in enumerate(TRAINING_FIRST)}
    return sorted(
        splits,
        key=lambda name: (rank.get(name or "", len(rank)), name is None, name or ""),
    )


def histogram(
    values: Iterable[int | float], edges: Sequence[int | float]
) -> dict[str, int]:
    """Counts values between edges, the upper edge excluded.

    Args:
      values: numbers.
      edges: rising.

    Returns:
      For each range, as text, how many values are in it.

    >>> histogram([5, 10, 99], (10, 20))
    {'below 10': 1, '10 to 20': 1, '20 and more': 1}
    """
    counts = collections.Counter(bisect.bisect_right(edges, value) for value in values)
    between = [f"{low} to {high}" for low, high in zip(edges, edges[1:], strict=False)]
    names = [f"below {edges[0]}", *between, f"{edges[-1]} and more"]
    return {name: counts[place] for place, name in enumerate(names)}
