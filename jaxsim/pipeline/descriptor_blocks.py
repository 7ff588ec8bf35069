"""Descriptors read from Parquet a block at a time, however many there are."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float32

from jaxsim.core.errors import InputError
from jaxsim.pipeline.descriptor_file import (
    FINGERPRINT,
    check_unit_length,
    parts_of,
)

if TYPE_CHECKING:
    from pyarrow import parquet


@dataclass(frozen=True, eq=False)
class Block:
    """Neighbouring rows.

    Attributes:
      names: of the images.
      labels: None without one.
      vectors: float32 [M, D], unit length.
    """

    names: list[str]
    labels: list[str | None]
    vectors: Float32[np.ndarray, "M D"]


@dataclass(frozen=True)
class DescriptorBlocks:
    """What `jaxsim embed` wrote as Parquet.

    Attributes:
      path: a file, or a folder of parts.
      files: in the order of their rows.
      rows: in all.
      dimension: length of a descriptor.
      fingerprint: of the model.
    """

    path: Path
    files: tuple[Path, ...]
    rows: int
    dimension: int
    fingerprint: str

    @classmethod
    def open(cls, path: Path) -> "DescriptorBlocks":
        """Reads what the files say of themselves.

        Raises:
          InputError: the file or a part is missing or damaged, or has other contents;
            or parts are of different models.
        """
        try:
            files = parts_of(path) if path.is_dir() else (path,)
            about = [_about(file) for file in files]
        except (OSError, ValueError, KeyError, AttributeError) as error:
            raise InputError(
                f"cannot read the descriptors '{path}' ({error}). Give a file or "
                "folder that 'jaxsim embed PHOTOS --out FILE.parquet' wrote"
            ) from error
        if len(kinds := {(dimension, mark) for _, dimension, mark in about}) != 1:
            raise InputError(
                f"'{path}' holds parts by {len(kinds)} models; describe all images "
                "again by one"
            )
        ((dimension, fingerprint),) = kinds
        rows = sum(rows for rows, _, _ in about)
        return cls(path, tuple(files), rows, dimension, fingerprint)

    def read(self, block_rows: int = 4096) -> Iterator[Block]:
        """Yields blocks of at most so many rows.

        Raises:
          InputError: a file is damaged, or a descriptor is not of length 1.
        """
        for file in self.files:
            with _reading(file) as opened:
                for batch in opened.iter_batches(block_rows):
                    yield self._block(file, batch)

    def names(self) -> Iterator[str]:
        """Yields the images' names alone, without reading vectors.

        Raises:
          InputError: a file is damaged.
        """
        for file in self.files:
            with _reading(file) as opened:
                for batch in opened.iter_batches(columns=["name"]):
                    yield from batch["name"].to_pylist()

    def _block(self, file: Path, batch: Any) -> Block:
        numbers = batch["vector"].flatten().to_numpy(zero_copy_only=False)
        vectors = numbers.astype(np.float32).reshape(len(batch), self.dimension)
        names = batch["name"].to_pylist()
        check_unit_length(vectors, names, source=str(file))
        return Block(names, batch["label"].to_pylist(), vectors)


@contextmanager
def _reading(file: Path) -> "Iterator[parquet.ParquetFile]":
    from pyarrow import parquet

    try:
        with parquet.ParquetFile(file) as opened:
            yield opened
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"cannot read the descriptors '{file}' ({error}). Delete it, and let the "
            "command that wrote it write it again"
        ) from error


def _about(file: Path) -> tuple[int, int, str]:
    """Returns the number of rows, the length of vectors and the fingerprint."""
    from pyarrow import parquet

    with parquet.ParquetFile(file) as opened:
        schema = opened.schema_arrow
        mark = (schema.metadata or {})[FINGERPRINT.encode()].decode()
        return opened.metadata.num_rows, schema.field("vector").type.list_size, mark
