"""The table of images beside the vectors of an index."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow


@dataclass(frozen=True, kw_only=True)
class ImageFile:
    """A file as a walk of the folder meets it.

    Attributes:
      name: path relative to the collection's root, as `os.fsdecode` gives it.
      size_bytes: length of the file.
      mtime_ns: time of its last change.
      label: identity of what it shows, None if unknown.
    """

    name: str
    size_bytes: int
    mtime_ns: int
    label: str | None = None


@dataclass(frozen=True, kw_only=True)
class ImageRow(ImageFile):
    """One row of an index: a file and what is in it.

    Attributes:
      content: hash that names the file's content.
    """

    content: str

    @property
    def file(self) -> ImageFile:
        """What a walk of the folder would say of an unchanged file."""
        return ImageFile(
            name=self.name,
            size_bytes=self.size_bytes,
            mtime_ns=self.mtime_ns,
            label=self.label,
        )


_COLUMNS = [field.name for field in fields(ImageRow)]


def write_images(file: IO[bytes], rows: Sequence[ImageRow]) -> None:
    """Writes rows as Parquet.

    Names, and labels that come from folders, are stored as bytes: a file name is any
    bytes but "/" and zero.
    """
    import pyarrow
    import pyarrow.parquet

    columns = {name: [getattr(row, name) for row in rows] for name in _COLUMNS}
    columns["name"] = [os.fsencode(row.name) for row in rows]
    columns["label"] = [row.label and os.fsencode(row.label) for row in rows]
    table = pyarrow.table(columns, schema=image_schema())
    pyarrow.parquet.write_table(table, file)


def read_images(path: Path) -> "pyarrow.Table":
    """Reads the table that `write_images` wrote."""
    import pyarrow.parquet

    return pyarrow.parquet.read_table(path, schema=image_schema())


def image_schema() -> "pyarrow.Schema":
    """Returns the columns of the table, one per field of `ImageRow`."""
    import pyarrow

    return pyarrow.schema(
        [
            pyarrow.field("name", pyarrow.binary(), nullable=False),
            pyarrow.field("size_bytes", pyarrow.int64(), nullable=False),
            pyarrow.field("mtime_ns", pyarrow.int64(), nullable=False),
            pyarrow.field("label", pyarrow.binary()),
            pyarrow.field("content", pyarrow.string(), nullable=False),
        ]
    )


def image_rows(table: "pyarrow.Table") -> list[ImageRow]:
    """Returns the rows of a table as objects."""
    columns = {column: table[column].to_pylist() for column in _COLUMNS}
    for column in ("name", "label"):
        columns[column] = [text and os.fsdecode(text) for text in columns[column]]
    return [
        ImageRow(**dict(zip(_COLUMNS, values, strict=True)))
        for values in zip(*columns.values(), strict=True)
    ]
