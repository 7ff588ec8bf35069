"""A map of a collection: its descriptors as labelled points of a plane."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float32, Int64

from jaxsim.core.errors import InputError
from jaxsim.core.rng import rng
from jaxsim.data.records import Record
from jaxsim.ops.pca_map import pca_map
from jaxsim.ops.tsne import tsne

MOST_POINTS = 2000
"""t-SNE of more points takes minutes on a CPU, and they would hide each other."""

_MOST_PER_LABEL = 50
_PERPLEXITY = 30.0
_FEWEST_FOR_TSNE = 4


@dataclass(frozen=True, kw_only=True)
class EmbeddingMap:
    """Descriptors as points of a plane.

    Attributes:
      points: float32 [N, 2], finite, N >= 1.
      labels: what each image shows, "" if unknown.
      names: of the images.
      method: how the points were made, for people, such as "PCA".
      before: float32 [N, 2], the same images by the model before it was trained, made
        by the same method; None if there is no such model.

    Raises:
      InputError: the fields differ in length, or a point is not finite.
    """

    points: Float32[np.ndarray, "N 2"]
    labels: Sequence[str]
    names: Sequence[str]
    method: str
    before: Float32[np.ndarray, "_ 2"] | None = None

    def __post_init__(self):
        layers = [self.points, *([] if self.before is None else [self.before])]
        lengths = {len(self.labels), len(self.names), *map(len, layers)}
        if len(lengths) > 1 or not len(self.points):
            raise InputError(
                "a map needs one label and one name for each point, and a point; got "
                f"{len(self.points)} points, {len(self.labels)} labels and "
                f"{len(self.names)} names"
                + (f", {len(self.before)} before" if self.before is not None else "")
            )
        if not all(np.isfinite(layer).all() for layer in layers):
            raise InputError("a map cannot show points that are not finite")


def embedding_map(
    records: Sequence[Record],
    vectors: Float32[np.ndarray, "N D"],
    *,
    before: Float32[np.ndarray, "_ d"] | None = None,
    method: Literal["t-SNE", "PCA"] = "t-SNE",
    seed: int = 0,
) -> EmbeddingMap:
    """Maps the descriptors of a collection to a plane.

    Of more than 2,000 images a part is drawn: up to 50 images of a label, and as many
    labels as there is room for.

    Args:
      records: the images.
      vectors: float32 [N, D], their descriptors, finite.
      before: float32 [N, d], their descriptors before training.
      method: "t-SNE" shows who is near whom; "PCA" shows the largest differences.
      seed: of the choice and of t-SNE, >= 0.

    Raises:
      InputError: there are no images, or the arrays differ in length.
    """
    others = len(vectors if before is None else before)
    if not len(records) or not len(records) == len(vectors) == others:
        raise InputError(
            f"a map of {len(records)} images cannot be drawn from "
            f"{len(vectors)} descriptors, and {others} before training; give one for "
            "each image, and an image"
        )
    rows = _choose([record.label for record in records], seed=seed)
    if method == "t-SNE" and len(rows) < _FEWEST_FOR_TSNE:
        method = "PCA"  # t-SNE needs neighbours
    chosen = [records[row] for row in rows.tolist()]
    return EmbeddingMap(
        points=_project(vectors[rows], method, seed),
        labels=[record.label or "" for record in chosen],
        names=[record.name for record in chosen],
        method=method,
        before=None if before is None else _project(before[rows], method, seed),
    )


def _project(
    vectors: Float32[np.ndarray, "N D"], method: str, seed: int
) -> Float32[np.ndarray, "N 2"]:
    if method == "PCA":
        return pca_map(vectors)
    # A third of the images at most, or all of them would be neighbours.
    perplexity = max(min(_PERPLEXITY, (len(vectors) - 1) / 3), 1.5)
    return tsne(vectors, perplexity=perplexity, seed=seed)


def _choose(labels: Sequence[str | None], *, seed: int) -> Int64[np.ndarray, " M"]:
    """Returns the rows to show, rising: whole labels rather than one image of each."""
    if len(labels) <= MOST_POINTS:
        return np.arange(len(labels))
    order = rng(seed, "embedding_map").permutation(len(labels)).tolist()
    members: dict[str | int, list[int]] = {}
    for row in order:
        label = labels[row]
        members.setdefault(row if label is None else label, []).append(row)
    chosen = [row for rows in members.values() for row in rows[:_MOST_PER_LABEL]]
    return np.sort(np.array(chosen[:MOST_POINTS], np.int64))
