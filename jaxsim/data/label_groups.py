"""Which images share a label, as tables that make drawing from them quick."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int32, Int64


class LabelGroups(NamedTuple):
    """N images, of which M have one of L labels.

    Attributes:
      names: the labels, sorted; a label's code is its place here.
      codes: int32 [N], code of each image's label, -1 without a label.
      order: int64 [M], positions of the labelled images, label by label.
      start: int64 [L], where each label's images begin in `order`.
      size: int64 [L], how many each label has, > 0.
    """

    names: tuple[str, ...]
    codes: Int32[np.ndarray, " N"]
    order: Int64[np.ndarray, " M"]
    start: Int64[np.ndarray, " L"]
    size: Int64[np.ndarray, " L"]


def group_by_label(labels: Sequence[str | None]) -> LabelGroups:
    """Returns the images of each label, in order of their position.

    Args:
      labels: of each image; None for an image that belongs to none.

    >>> group_by_label(["pear", None, "apple", "pear"]).order.tolist()
    [2, 0, 3]
    """
    names = tuple(sorted({label for label in labels if label is not None}))
    code_of: dict[str | None, int] = {name: code for code, name in enumerate(names)}
    code_of[None] = -1
    codes = np.fromiter((code_of[label] for label in labels), np.int32, len(labels))
    size = np.bincount(codes[codes >= 0], minlength=len(names)).astype(np.int64)
    unlabelled = len(codes) - int(size.sum())
    return LabelGroups(
        names=names,
        codes=codes,
        order=np.argsort(codes, kind="stable")[unlabelled:].astype(np.int64),
        start=np.cumsum(size) - size,
        size=size,
    )
