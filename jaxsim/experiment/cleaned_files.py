"""Files of a cleaned collection: the list of what is kept, and that of what is not."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from jaxsim.core.errors import InputError
from jaxsim.core.files import atomic_write, check_target
from jaxsim.data.csv_manifest import manifest_path, write_csv_manifest
from jaxsim.data.images import file_suffix
from jaxsim.data.records import Record
from jaxsim.data.rejects import write_rejects
from jaxsim.experiment.cleaning import Cleaned


def dropped_path(manifest: Path) -> Path:
    """Returns where the list of what was dropped goes: beside that of what is kept."""
    return manifest.with_suffix(".dropped.csv")


def images_path(manifest: Path) -> Path:
    """Returns where images go that are in no file of their own."""
    return manifest.with_suffix(".images")


def check_manifest(manifest: Path, source: Path, records: Sequence[Record]) -> None:
    """Checks, before any work, that a list of some of the images can be written.

    Args:
      manifest: the list.
      source: of the images, which must not be overwritten.
      records: the images.

    Raises:
      InputError: it is the source, cannot name one of the images, or the list of what
        is dropped cannot be written.
    """
    check_target(dropped_path(manifest))
    targets = {os.path.realpath(manifest), os.path.realpath(dropped_path(manifest))}
    if os.path.realpath(source.expanduser()) in targets:
        raise InputError(
            f"'{manifest}' would overwrite the list that is cleaned. Name another file"
        )
    for record in records:
        if isinstance(record.content, Path):
            manifest_path(record.content, manifest.parent)


def write_cleaned(cleaned: Cleaned, manifest: Path) -> None:
    """Writes the list of what was dropped, then that of what is kept.

    Images that are in no file of their own, as those of a TFDS data set, are written to
    the folder `images_path`, those that are kept.

    Args:
      cleaned: the collection.
      manifest: the list of what is kept; `csv_manifest` reads it.

    Raises:
      InputError: nothing is kept (the list of what was dropped is written), or a file
        cannot be written.
    """
    write_rejects(dropped_path(manifest), cleaned.dropped)
    if not cleaned.kept:
        raise InputError(
            f"nothing is left, so {manifest} was not written"
            f"{' and is that of an earlier run' * manifest.exists()}; why, says "
            f"{dropped_path(manifest)}. Images agree if they show one thing (a "
            "building, a book), not a kind of things. Try fewer inliers, or keep "
            "labels in which no two images agree"
        )
    write_csv_manifest(
        manifest, [_in_file(record, images_path(manifest)) for record in cleaned.kept]
    )


def _in_file(record: Record, folder: Path) -> Record:
    if isinstance(record.content, Path):
        return record
    data = record.read()
    path = folder / f"{record.name}{file_suffix(data)}"
    with atomic_write(path) as file:
        file.write(data)
    return replace(record, content=path)
