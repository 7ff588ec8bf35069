"""Checks a collection, and finds images that look the same in two of its splits."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxsim.core.errors import InputError
from jaxsim.core.progress import Bars, no_bars
from jaxsim.data.check import DataCheck, NearDuplicate, in_order
from jaxsim.data.datasets.labelled import open_labelled
from jaxsim.data.inspection import inspect_images
from jaxsim.experiment.build import build_model
from jaxsim.experiment.descriptors import descriptor_config
from jaxsim.index.exact import ExactIndex
from jaxsim.pipeline.embed import Embedder

THRESHOLD = 0.95
SIZE_PX = 224


def check_data(
    source: Path, *, threshold: float = THRESHOLD, bars: Bars = no_bars
) -> DataCheck:
    """Inspects all images; if there are splits, compares each with those before.

    Args:
      source: a folder, a manifest, or tfds:NAME:SPLIT, as `open_labelled` takes it.
      threshold: least cosine similarity of near duplicates, above 0, at most 1.
      bars: shows progress.

    Raises:
      InputError: there is no such thing, it holds no images, or the threshold is out of
        range.
    """
    if not 0 < threshold <= 1:
        raise InputError(f"threshold={threshold} must be above 0 and at most 1")
    records, unfollowed = open_labelled(source)
    with bars("read", len(records)) as progress:
        inspected = inspect_images(records, progress=progress)
    check = DataCheck(records=records, inspected=inspected, unfollowed=unfollowed)
    if len({records[i].split for i in check.usable}) < 2:
        return check
    vectors = _describe(check, bars)
    near = near_duplicates(check, vectors, threshold=threshold)
    return dataclasses.replace(check, near_duplicates=near)


def _describe(check: DataCheck, bars: Bars) -> dict[int, np.ndarray]:
    """Returns the descriptor of each usable image."""
    # Of the poolings, GeM tells copies that were cropped, scaled or compressed again
    # from other photos of the same thing as well as any, and costs least.
    model = build_model(descriptor_config(pooling="gem", size_px=SIZE_PX))
    ids = list(check.usable)
    with bars("compare", len(ids)) as progress:
        embedding = Embedder(model).embed([check.records[i] for i in ids], progress)
    found = np.flatnonzero(embedding.found)
    return {ids[row]: embedding.vectors[row] for row in found.tolist()}


def near_duplicates(
    check: DataCheck, vectors: dict[int, np.ndarray], *, threshold: float
) -> Sequence[NearDuplicate]:
    """Finds, for each image, the most similar one of the splits before its own.

    Images that have a copy in a split before are left out: they are reported as such.

    Args:
      check: the images.
      vectors: float32 [D] of length 1, by id.
      threshold: least score.

    Returns:
      The pairs, most similar first.
    """
    before: list[int] = []
    seen: set[str] = set()
    index: ExactIndex | None = None
    found = []
    for split in in_order({record.split for record in check.records}):
        ids = [i for i in vectors if check.records[i].split == split]
        contents = {i: check.usable[i].content for i in ids}
        asked = [i for i in ids if contents[i] not in seen]
        if index is not None and asked:
            ranking = index.search(np.stack([vectors[i] for i in asked]), 1)
            found += [
                NearDuplicate(i, before[int(row)], float(score))
                for i, row, score in zip(
                    asked, ranking.ids[:, 0], ranking.scores[:, 0], strict=True
                )
                if score >= threshold
            ]
        if ids:
            rows = np.stack([vectors[i] for i in ids])
            if index is None:
                index = ExactIndex(rows)
            else:
                index.add(rows)
        before += ids
        seen.update(contents.values())
    return sorted(found, key=lambda near: (-near.score, near.id))
