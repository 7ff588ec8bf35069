"""Fits a model's whitening layers on a collection of images."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from jaxsim.core.errors import InputError
from jaxsim.core.progress import Progress
from jaxsim.core.rng import rng
from jaxsim.data.records import Record
from jaxsim.ops.whitening import Whitening, fit_learned, fit_pca
from jaxsim.pipeline.embed import Embedder
from jaxsim.pipeline.model import ImageModel

MOST_VECTORS = 100_000


def fit_region_whitening(
    embedder: Embedder, records: Sequence[Record], *, dim: int, progress: Progress
) -> Whitening:
    """Fits PCA-whitening on the l2-normalised regions of some images.

    At most 100,000 regions are used, drawn evenly from all images.

    Args:
      embedder: of a model whose pooling has regions.
      records: images to fit on, never those of the queries that will be measured.
      dim: size of the whitened region vectors.
      progress: called with the number of images done since the last call.

    Raises:
      InputError: the regions span fewer than `dim` directions.

    Source: Tolias, Sicre and Jégou 2016, section 3.2.
    """
    most_per_image = max(MOST_VECTORS // len(records), 1)
    kept = []
    for batch, output in embedder.apply("regions", records, lambda _: progress(1)):
        vectors, present = map(np.asarray, output)
        for row in np.flatnonzero(batch.real):
            regions = vectors[row][present[row] > 0]
            choice = rng(0, "whitening/regions", int(batch.ids[row]))
            chosen = choice.permutation(len(regions))[:most_per_image]
            kept.append((int(batch.ids[row]), regions[np.sort(chosen)]))
        progress(int(batch.real.sum()))
    if not kept:
        raise InputError("none of the images to fit the whitening on can be read")
    # Batches arrive in an order of their own; the fit must not depend on it.
    ordered = sorted(kept, key=lambda item: item[0])
    return fit_pca(np.concatenate([regions for _, regions in ordered]), dim=dim)


def fit_descriptor_whitening(
    embedder: Embedder,
    records: Sequence[Record],
    *,
    dim: int,
    kind: Literal["pca", "learned"],
    progress: Progress,
) -> Whitening:
    """Fits the whitening of whole descriptors.

    Args:
      embedder: of the model, its whitening not yet fitted.
      records: images to fit on; labelled for "learned".
      dim: size of the whitened descriptor.
      kind: "pca", or "learned" from all pairs of equal label (Lw).
      progress: called with the number of images done since the last call.

    Raises:
      InputError: too few images or pairs for the dimensions.
    """
    rows: dict[int, np.ndarray] = {}
    for batch, output in embedder.apply("pooled", records, lambda _: progress(1)):
        real = batch.real
        rows.update(
            zip(batch.ids[real].tolist(), np.asarray(output)[real], strict=True)
        )
        progress(int(real.sum()))
    if not rows:
        raise InputError("none of the images to fit the whitening on can be read")
    ids = sorted(rows)
    vectors = np.stack([rows[i] for i in ids])
    if kind == "pca":
        return fit_pca(vectors, dim=dim)
    labels = [records[i].label for i in ids]
    return fit_learned(vectors, matching_pairs(labels), dim=dim)


def matching_pairs(labels: Sequence[str | None]) -> np.ndarray:
    """Returns int64 [P, 2]: every ordered-once pair of rows of one label.

    >>> matching_pairs(["a", "b", "a", None, None]).tolist()
    [[0, 2]]
    """
    members: dict[str, list[int]] = {}
    for row, label in enumerate(labels):
        if label is not None:
            members.setdefault(label, []).append(row)
    pairs = [
        (first, second)
        for rows in members.values()
        for i, first in enumerate(rows)
        for second in rows[i + 1 :]
    ]
    return np.array(pairs, np.int64).reshape(-1, 2)


def with_whitening(
    model: ImageModel, whitening: Whitening, *, path: tuple[str, ...]
) -> dict:
    """Returns the model's variables with a fitted whitening layer.

    Args:
      model: the model before.
      whitening: what was fitted.
      path: of the layer below "params", such as ("pooling", "whiten").
    """
    layer = {"projection": whitening.projection, "bias": whitening.bias}

    def replace(tree: dict, keys: tuple[str, ...]) -> dict:
        if not keys:
            return layer
        return {**tree, keys[0]: replace(tree.get(keys[0], {}), keys[1:])}

    return {**model.variables, "params": replace(model.variables["params"], path)}
