"""A CSV file that lists images as records."""

import csv
import io
import math
import os
from collections.abc import Sequence
from pathlib import Path

from jaxsim.core.errors import InputError
from jaxsim.core.files import atomic_write
from jaxsim.data.records import Box, Record

EDGES = ("y0", "x0", "y1", "x1")


def csv_manifest(
    path: str | os.PathLike[str],
    *,
    root: str | os.PathLike[str] | None = None,
    path_column: str = "path",
    label_column: str | None = None,
    split_column: str | None = None,
) -> list[Record]:
    """Reads a list of images with a header line.

    A box stands in four columns y0, x0, y1, x1, or in one column "box" as four numbers
    with spaces between; all empty means the whole image. Other columns are ignored.

    Args:
      path: the CSV file, UTF-8.
      root: folder that the paths are relative to; the file's own folder if None.
      path_column: name of the column of paths.
      label_column: name of the column of labels; if None, "label" where it exists.
      split_column: name of the column of splits; if None, "split" where it exists.

    Returns:
      One record a line, in the file's order; the name is the path.

    Raises:
      InputError: the file is missing or not CSV, a column is missing, a path is empty,
        repeated or outside the root, or a box is wrong; with the line's number.
    """
    path = Path(path)
    root = path.parent if root is None else Path(root)
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            header = reader.fieldnames or []
            columns = {
                "path": _column(path, header, path_column, default="path"),
                "label": _column(path, header, label_column, default="label"),
                "split": _column(path, header, split_column, default="split"),
            }
            rows = [(reader.line_num, row) for row in reader]
    except OSError as error:
        raise InputError(f"cannot read the list {path}: {error.strerror}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a CSV file in UTF-8: {error}") from error
    first_line: dict[str, int] = {}
    records = []
    for line, row in rows:
        try:
            record = _record(root, row, columns)
            if record.name in first_line:
                raise ValueError(
                    f"the path '{record.name}' is already in line "
                    f"{first_line[record.name]}; list every image once"
                )
        except ValueError as error:
            raise InputError(f"{path}, line {line}: {error}") from error
        first_line[record.name] = line
        records.append(record)
    if not records:
        raise InputError(f"{path} lists no images: it has a header line only")
    return records


def write_csv_manifest(path: str | os.PathLike[str], records: Sequence[Record]) -> None:
    """Writes a list that `csv_manifest` reads as these records.

    Its columns are path, label, split and the four of the box; edges are rounded to a
    hundredth of a pixel.

    Args:
      path: the CSV file.
      records: images in files, at least one; names are not written.

    Raises:
      InputError: an image's file is not in the list's folder or below it, its name is
        not UTF-8, or the list cannot be written.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(("path", "label", "split", *EDGES))
    for record in records:
        if not isinstance(record.content, Path):
            raise InputError(f"'{record.name}' is no file, so that no list can name it")
        place = manifest_path(record.content, Path(path).parent)
        if not is_text(place, record.label, record.split):
            raise InputError(
                f"the list {path} cannot name {place!r} of the label "
                f"{record.label!r}, since it is UTF-8 and they are not. Rename them"
            )
        edges = ("",) * 4 if record.box is None else [f"{e:.2f}" for e in record.box]
        writer.writerow((place, record.label or "", record.split or "", *edges))
    with atomic_write(path) as file:
        file.write(text.getvalue().encode())


def is_text(*words: str | None) -> bool:
    """Returns whether all words can be written as UTF-8, which file names need not."""
    try:
        "".join(word or "" for word in words).encode()
    except UnicodeEncodeError:
        return False
    return True


def manifest_path(file: Path, folder: Path) -> str:
    """Returns how a list in a folder names a file.

    Links are not followed, so that a link in the folder leads to files elsewhere.

    Args:
      file: the image.
      folder: of the list.

    Raises:
      InputError: the file is not in the folder or below it.
    """
    try:
        return _name(os.path.abspath(file), Path(os.path.abspath(folder)))
    except ValueError as error:
        raise InputError(
            f"a list in {os.path.abspath(folder)} cannot name {os.path.abspath(file)}, "
            "for its paths are relative to its folder. Write it to the folder of the "
            "images or one above, or put a link to the images beside it and give that"
        ) from error


def _column(path: Path, header, name: str | None, *, default: str) -> str | None:
    """Returns the column to read, None if it is optional and absent."""
    wanted = default if name is None else name
    if wanted in header:
        return wanted
    if name is None:
        return None
    raise InputError(
        f"{path} has no column '{name}'; its first line names "
        f"{', '.join(header) or 'nothing'}. Add the column or name another one."
    )


def _record(root: Path, row: dict, columns: dict[str, str | None]) -> Record:
    if None in row or None in row.values():
        raise ValueError("more or fewer fields than the header line has")
    fields = {key: row[column] for key, column in columns.items() if column}
    name = _name(fields.get("path", ""), root)
    return Record(
        name=name,
        content=root / name,
        label=fields.get("label") or None,
        split=fields.get("split") or None,
        box=_box(row),
    )


def _name(given: str, root: Path) -> str:
    """Returns the path relative to the root, without detours."""
    inside = os.path.relpath(given, root) if os.path.isabs(given) else given
    inside = os.path.normpath(inside)
    if inside == "." or inside.split(os.sep)[0] == os.pardir or "\0" in inside:
        raise ValueError(f"the path '{given}' does not name a file in {root}")
    return inside.replace(os.sep, "/")


def _box(row: dict[str, str]) -> Box | None:
    if all(edge in row for edge in EDGES):
        fields = [row[edge] for edge in EDGES]
    else:
        fields = row.get("box", "").split()
    if not any(fields):
        return None
    try:
        y0, x0, y1, x1 = (float(field) for field in fields)
    except ValueError as error:
        raise ValueError(f"the box {fields} is not four numbers y0 x0 y1 x1") from error
    box = (y0, x0, y1, x1)
    if not all(math.isfinite(edge) for edge in box) or y1 <= y0 or x1 <= x0:
        raise ValueError(f"the box {fields} is empty; expected y0 < y1 and x0 < x1")
    return box
