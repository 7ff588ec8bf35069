"""By what rules a collection is cleaned, and what became of its images."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float64

from jaxsim.core.errors import InputError, require_choice
from jaxsim.data.images import MIN_SIDE_PX
from jaxsim.data.inspection import UsableImage
from jaxsim.data.records import Box, Record
from jaxsim.data.rejects import Reject
from jaxsim.pipeline.clean_label import LabelGraph
from jaxsim.rerank.pairs import PairVerifier

Unmatched = Literal["drop", "keep"]
_THRESHOLD_PX = 10.0
_SAMPLES = 4096


@dataclass(frozen=True, kw_only=True)
class Cleaning:
    """What makes images agree, and what happens to labels in which none do.

    Attributes:
      min_inliers: of two images that agree, >= 4, as any three points fit.
      ratio: of the distances to the nearest and second nearest point, see
        `jaxsim.rerank.pairs.PairVerifier`.
      shortlist: each image of a label with more than `shortlist` + 1 images is compared
        with so many only, those whose descriptors are most like its own, >= 1.
      unmatched: whether a label in which no two images agree is dropped, or kept as it
        is.

    Raises:
      InputError: an option is out of range.
    """

    min_inliers: int = 20
    ratio: float = 0.8
    shortlist: int = 50
    unmatched: Unmatched = "drop"

    def __post_init__(self):
        require_choice("unmatched", self.unmatched, Unmatched)
        if self.min_inliers < 4 or self.shortlist < 1:
            raise InputError(
                "cleaning needs min_inliers >= 4 and shortlist >= 1; got "
                f"min_inliers={self.min_inliers} and shortlist={self.shortlist}"
            )
        self.verifier()

    def verifier(self) -> PairVerifier:
        """Returns what verifies pairs.

        The threshold is wide, because one affine map shall hold for things that are not
        flat.
        """
        return PairVerifier(
            model="affine",
            threshold_px=_THRESHOLD_PX,
            ratio=self.ratio,
            samples=_SAMPLES,
        )


class KeptImage(NamedTuple):
    """An image that is kept.

    Attributes:
      id: its row in the collection.
      source: what it was.
      size: height and width in pixels of the source's box, or of the whole image.
      box: where the thing is, (y0, x0, y1, x1) in pixels of the source's box, or of the
        whole image if it has none; None if all of it is kept.
    """

    id: int
    source: Record
    size: tuple[int, int]
    box: Box | None

    @property
    def record(self) -> Record:
        """The image with the thing's box, in pixels of the whole image."""
        if self.box is None:
            return self.source
        y0, x0, y1, x1 = self.box
        top, left = (max(round(e), 0) for e in (self.source.box or (0, 0))[:2])
        return replace(self.source, box=(y0 + top, x0 + left, y1 + top, x1 + left))


class DroppedImage(NamedTuple):
    """An image that is left out, and why."""

    source: Record
    reason: str


@dataclass(frozen=True, kw_only=True)
class CleanedLabel:
    """What became of a label.

    Attributes:
      name: the label.
      matched: whether two of its images agree.
      most_inliers: of any two of its images.
      kept: in the collection's order.
      dropped: in the collection's order.
    """

    name: str
    matched: bool
    most_inliers: int
    kept: tuple[KeptImage, ...]
    dropped: tuple[DroppedImage, ...]


@dataclass(frozen=True, kw_only=True)
class Cleaned:
    """What became of a collection.

    Attributes:
      labels: sorted by name.
      unlabelled: images without a label; they are dropped.
      unfollowed: paths that never became images.
    """

    labels: Sequence[CleanedLabel]
    unlabelled: Sequence[Record]
    unfollowed: Sequence[Reject]

    @cached_property
    def kept(self) -> list[Record]:
        """The kept images with their boxes, in the collection's order."""
        kept = [image for label in self.labels for image in label.kept]
        return [image.record for image in sorted(kept, key=lambda image: image.id)]

    @cached_property
    def dropped(self) -> list[Reject]:
        """What is left out, label by label."""
        dropped = [image for label in self.labels for image in label.dropped]
        dropped += [DroppedImage(record, "no label") for record in self.unlabelled]
        rejects = [Reject(name=record.name, reason=why) for record, why in dropped]
        return [*rejects, *self.unfollowed]

    def to_json(self) -> dict[str, object]:
        """Returns what became of each label as JSON values."""
        return {
            "kept": len(self.kept),
            "dropped": len(self.dropped),
            "labels": [
                {
                    "name": label.name,
                    "kept": len(label.kept),
                    "dropped": len(label.dropped),
                    "most_inliers": label.most_inliers,
                    "matched": label.matched,
                }
                for label in self.labels
            ],
        }


def judged(
    label: str,
    records: dict[int, Record],
    usable: dict[int, UsableImage],
    unusable: dict[int, str],
    graph: LabelGraph,
    cleaning: Cleaning,
) -> CleanedLabel:
    """Returns what becomes of the images of a label.

    Args:
      label: its name.
      records: its images, by their rows in the collection.
      usable: what is known of those that the graph speaks of, in its order.
      unusable: why the others cannot be used.
      graph: which of the usable ones agree.
      cleaning: the rules.
    """
    matched = bool(graph.kept.any())
    place = {row: i for i, row in enumerate(usable)}
    kept, dropped = [], []
    for row, record in records.items():
        if row not in place:
            dropped.append(DroppedImage(record, unusable[row]))
            continue
        i, size = place[row], (usable[row].height, usable[row].width)
        if graph.kept[i]:
            kept.append(KeptImage(row, record, size, _box(graph.boxes[i])))
        elif cleaning.unmatched == "keep" and not matched:
            kept.append(KeptImage(row, record, size, None))
        else:
            dropped.append(DroppedImage(record, _why(graph, i, cleaning)))
    return CleanedLabel(
        name=label,
        matched=matched,
        most_inliers=int(graph.most_inliers.max(initial=0)),
        kept=tuple(kept),
        dropped=tuple(dropped),
    )


def _box(edges: Float64[np.ndarray, " 4"]) -> Box | None:
    """Returns a box, None if it is too small for an image."""
    y0, x0, y1, x1 = edges.tolist()
    return None if min(y1 - y0, x1 - x0) < MIN_SIDE_PX else (y0, x0, y1, x1)


def _why(graph: LabelGraph, i: int, cleaning: Cleaning) -> str:
    if len(graph.kept) == 1:
        return "the only usable image of its label"
    if graph.group_size[i] > 1:
        return (
            f"one of {graph.group_size[i]} that agree, but not with the "
            f"{graph.kept.sum()} that are kept"
        )
    return (
        f"agrees with no other image of its label: at most {graph.most_inliers[i]} "
        f"inliers, {cleaning.min_inliers} are needed"
    )
