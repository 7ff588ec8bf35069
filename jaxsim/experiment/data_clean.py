"""Cleans a collection: keeps of each label the images that show one thing."""

import os
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
from jaxtyping import Int

from jaxsim.classical.feature_cache import FeatureCache
from jaxsim.core.environment import cache_folder
from jaxsim.core.errors import InputError
from jaxsim.core.files import content_hash
from jaxsim.core.progress import Bars, no_bars
from jaxsim.data.csv_manifest import is_text
from jaxsim.data.datasets.labelled import open_labelled
from jaxsim.data.inspection import UsableImage, inspect_images
from jaxsim.data.records import Record
from jaxsim.experiment.build import build_model
from jaxsim.experiment.cleaning import Cleaned, Cleaning, judged
from jaxsim.experiment.descriptors import descriptor_config
from jaxsim.index.exact import ExactIndex
from jaxsim.pipeline.clean_label import (
    all_pairs,
    label_graph,
    ordered_by_content,
    shortlisted_pairs,
    verify_pairs,
)
from jaxsim.pipeline.embed import Embedder
from jaxsim.pipeline.local_features import RecordFeatures, find_points
from jaxsim.pipeline.verified_pairs import FORMAT, VerifiedPairs

_SIZE_PX = 224
_USUAL = Cleaning()


def clean_data(
    source: Path,
    *,
    cleaning: Cleaning = _USUAL,
    label_column: str | None = None,
    check: Callable[[Sequence[Record]], None] = lambda records: None,
    cache: Path | None = None,
    bars: Bars = no_bars,
) -> Cleaned:
    """Finds which images of each label agree, and where the thing is in them.

    Local features and verified pairs are kept in the cache, so that an interrupted run
    goes on where it was, and another `min_inliers` verifies no pair again.

    Args:
      source: a folder, a manifest, or tfds:NAME:SPLIT, as `open_labelled` takes it.
      cleaning: the rules.
      label_column: of a manifest; "label" if None.
      check: called with the images before any work; may raise.
      cache: folder; that of the user if None.
      bars: shows progress.

    Raises:
      InputError: there is no such thing, it holds no images, none has a label, or the
        cache cannot be written.

    Source: Gordo et al. 2016, section 3.3.
    """
    records, unfollowed = open_labelled(source, label_column=label_column)
    labels: dict[str, dict[int, Record]] = defaultdict(dict)
    for row, record in enumerate(records):
        if record.label is not None:
            labels[record.label][row] = record
    if not labels:
        raise InputError(
            f"none of the {len(records)} images of '{source}' has a label, so there is "
            "nothing to clean. Put those of each label in a folder of its name, or "
            "name labels in a manifest"
        )
    check(records)
    usable, unusable = _inspect(records, sorted(chain(*labels.values())), bars)
    stored = FeatureCache(folder=(cache or cache_folder()) / "features")
    known = (usable.get(row) for row in range(len(records)))
    names = ["" if image is None else image.content for image in known]
    features = RecordFeatures(records, stored, names)
    groups = {
        label: [row for row in images if row in usable]
        for label, images in labels.items()
    }
    several = [rows for rows in groups.values() if len(rows) > 1]
    damaged = find_points(features, list(chain(*several)), bars)
    groups = {
        label: [row for row in rows if row not in damaged]
        for label, rows in groups.items()
    }
    pairs = _pairs(records, groups, cleaning.shortlist, bars)
    folder = (cache or cache_folder()) / "pairs" / _rules(stored, cleaning)
    found = []
    with bars("verify", sum(map(len, pairs.values())), "pairs") as progress:
        for label in sorted(labels):
            rows = groups[label]
            contents = [names[row] for row in rows]
            ordered = ordered_by_content(pairs[label], contents)
            matches = verify_pairs(
                ordered,
                contents=contents,
                features=lambda i, rows=rows: features(rows[i]),
                store=VerifiedPairs.open(folder / _file_of(source, label)),
                verifier=cleaning.verifier(),
                progress=progress,
            )
            sizes = [(usable[row].height, usable[row].width) for row in rows]
            graph = label_graph(
                ordered,
                matches,
                np.array(sizes, np.float64).reshape(-1, 2),
                min_inliers=cleaning.min_inliers,
            )
            found.append(
                judged(
                    label,
                    labels[label],
                    {row: usable[row] for row in rows},
                    unusable | damaged,
                    graph,
                    cleaning,
                )
            )
    unlabelled = [record for record in records if record.label is None]
    return Cleaned(labels=found, unlabelled=unlabelled, unfollowed=unfollowed)


def _inspect(
    records: Sequence[Record], rows: Sequence[int], bars: Bars
) -> tuple[dict[int, UsableImage], dict[int, str]]:
    """Returns what is known of usable images, and why the others are not."""
    with bars("read", len(rows)) as progress:
        inspected = inspect_images([records[row] for row in rows], progress=progress)
    usable, unusable = {}, {}
    for row, image in zip(rows, inspected, strict=True):
        record = records[row]
        if not isinstance(image, UsableImage):
            unusable[row] = image.reason
        elif not is_text(record.name, record.label, record.split):
            unusable[row] = "no list can name it: its name or label is not UTF-8"
        else:
            usable[row] = image
    return usable, unusable


def _pairs(
    records: Sequence[Record],
    groups: Mapping[str, Sequence[int]],
    shortlist: int,
    bars: Bars,
) -> dict[str, Int[np.ndarray, "P 2"]]:
    """Returns for each label the pairs to verify, as positions in its group."""
    pairs = {
        label: all_pairs(len(rows))
        for label, rows in groups.items()
        if len(rows) <= shortlist + 1
    }
    large = {label: rows for label, rows in groups.items() if label not in pairs}
    if large:
        model = build_model(descriptor_config(pooling="gem", size_px=_SIZE_PX))
        embedder = Embedder(model)
        with bars("shortlist", sum(map(len, large.values()))) as progress:
            for label, rows in large.items():
                chosen = [records[row] for row in rows]
                vectors = embedder.embed(chosen, progress).vectors
                # Each is found by itself too.
                found = ExactIndex(vectors).search(vectors, shortlist + 1)
                pairs[label] = shortlisted_pairs(found.ids)
    return pairs


def _rules(cache: FeatureCache, cleaning: Cleaning) -> str:
    """Returns the name of a folder for pairs that are verified in the same way."""
    verifier = cleaning.verifier()
    points = f"{cache.engine}-{cache.size_px}-{cache.limit}"
    rules = f"{verifier.threshold_px:g}-{verifier.ratio:g}-{verifier.samples}"
    return f"affine{FORMAT}-{points}-{rules}"


def _file_of(source: Path, label: str) -> str:
    """Returns the name of the file that keeps a label's pairs."""
    path = source.expanduser()
    place = os.path.abspath(path) if path.exists() else str(source)
    name = content_hash(f"{place}\0{label}".encode("utf-8", "surrogateescape"))
    return f"{name[:2]}/{name}.npz"
