"""Where a collection is, as the command line says it."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from jaxsim.core.errors import InputError
from jaxsim.data.csv_manifest import csv_manifest
from jaxsim.data.image_folder import image_folder
from jaxsim.data.records import Record
from jaxsim.data.rejects import Reject
from jaxsim.data.tfds_source import tfds_source


def open_sources(texts: Sequence[str]) -> tuple[list[Record], list[Reject]]:
    """Opens several sources as one collection.

    Files of several sources are named relative to the folder they have in common, so
    that a/1.jpg and b/1.jpg keep different names.

    Args:
      texts: each as for `open_source`.

    Returns:
      The records in order, and what cannot be used: sources that do not exist or hold
      no images, and paths that could not be followed.

    Raises:
      InputError: none of them can be used.
    """
    records: list[Record] = []
    rejects: list[Reject] = []
    for text in texts:
        try:
            found, unfollowed = open_source(text)
        except InputError as error:
            if len(texts) == 1:
                raise
            found, unfollowed = [], [Reject(name=text, reason=str(error))]
        records += found
        rejects += unfollowed
    if not records:
        raise InputError("; ".join(reject.reason for reject in rejects))
    if len(texts) > 1:
        records = _named_from_common_folder(records)
    return records, rejects


def _named_from_common_folder(records: list[Record]) -> list[Record]:
    paths = {
        row: os.path.abspath(record.content)
        for row, record in enumerate(records)
        if isinstance(record.content, Path)
    }
    if not paths:
        return records
    root = os.path.commonpath([os.path.dirname(path) for path in paths.values()])
    return [
        replace(record, name=os.path.relpath(paths[row], root))
        if row in paths
        else record
        for row, record in enumerate(records)
    ]


def open_source(text: str) -> tuple[Sequence[Record], list[Reject]]:
    """Opens a folder, a manifest, a TFDS split, or a single image.

    Args:
      text: a folder of images; a .csv manifest; "tfds:NAME_OR_FOLDER:SPLIT"; or an
        image file.

    Returns:
      The records, and paths that could not be followed.

    Raises:
      InputError: there is no such thing, or it holds no images.
    """
    if text.startswith("tfds:"):
        name, _, split = text.removeprefix("tfds:").rpartition(":")
        if not name:
            raise InputError(
                f"'{text}' names no split: write tfds:NAME:SPLIT, such as "
                "tfds:food101:train"
            )
        return tfds_source(name, split=split), []
    path = Path(text).expanduser()
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(
            f"there is no '{text}', neither as a file nor as a folder; check the path"
        ) from error
    except OSError as error:
        raise InputError(
            f"'{text}' cannot be looked at: {error.strerror}. Give another path, or "
            "change its permissions"
        ) from error
    if path.is_dir():
        listing = image_folder(path)
        return listing.records, listing.rejects
    if path.suffix.lower() == ".csv":
        return csv_manifest(path), []
    return [Record(name=path.name, content=path)], []
