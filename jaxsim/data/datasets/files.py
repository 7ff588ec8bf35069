"""Looking up the files of a published data set, with errors that name the missing."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from jaxsim.core.errors import InputError
from jaxsim.data.csv_manifest import csv_manifest
from jaxsim.data.records import Record


def data_folder(root: str | os.PathLike[str], *, holds: str) -> Path:
    """Returns the folder of a data set that can be nothing but a folder.

    Args:
      root: where it should be.
      holds: what is expected in it, for the error.

    Raises:
      InputError: there is no such folder.
    """
    folder = Path(root).expanduser()
    if not folder.is_dir():
        raise InputError(
            f"'{root}' is no folder. Give the folder of this data set, which holds "
            f"{holds}; other manifests and tfds:NAME:SPLIT are for configs/folder.py"
        )
    return folder


def listed_photos(table: Path, *, label_column: str) -> list[Record]:
    """Returns the photos of a data set that lists them in a CSV file.

    Args:
      table: CSV file with the columns path, `label_column` and perhaps split; paths are
        relative to its folder.
      label_column: the column of the label, which must hold integers.

    Raises:
      InputError: the table or some photos are missing, or a label is no integer.
    """
    records = csv_manifest(table, label_column=label_column)
    for record in records:
        if not (record.label or "").isdecimal():
            raise InputError(
                f"{table} gives the {label_column} '{record.label}' for {record.name}; "
                "expected an integer from 0"
            )
    names = [record.name for record in records]
    find_all(table.parent, names, f"the photos listed in {table}, below its folder")
    return records


def find_all(root: Path, names: Iterable[str], layout: str) -> list[Path]:
    """Returns root/name for each name.

    Args:
      root: the data set's folder.
      names: paths relative to it.
      layout: what is expected there, for the error.

    Raises:
      InputError: some are not files; the first few are named.
    """
    paths = [root / name for name in names]
    refuse_missing([str(p) for p in paths if not p.is_file()], len(paths), layout)
    return paths


def find_photos(root: Path, stems: Sequence[str], layout: str) -> list[Path]:
    """Returns the JPEG of each stem, in `root` or in a folder directly below it.

    Args:
      root: the data set's folder.
      stems: file names without ".jpg".
      layout: what is expected there, for the error.

    Raises:
      InputError: some are missing; the first few are named.
    """
    # Sorted and reversed: of two photos of one name the first in order wins.
    photos = sorted([*root.glob("*.jpg"), *root.glob("*/*.jpg")], reverse=True)
    path_of_stem = {path.stem: path for path in photos}
    missing = [f"{stem}.jpg" for stem in stems if stem not in path_of_stem]
    refuse_missing(missing, len(stems), f"in {root} or a folder below it: {layout}")
    return [path_of_stem[stem] for stem in stems]


def refuse_missing(missing: Sequence[str], expected: int, layout: str) -> None:
    """Raises if files are missing.

    Raises:
      InputError: `missing` is not empty.
    """
    if missing:
        raise InputError(
            f"{len(missing)} of {expected} expected files are missing: "
            f"{', '.join(missing[:5])}{', …' if len(missing) > 5 else ''}. "
            f"Expected {layout}"
        )
