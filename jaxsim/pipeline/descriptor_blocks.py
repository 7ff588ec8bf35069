"""Descriptors read from Parquet a block at a time, however many there are."""

from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float32

from jaxsim.core.errors import InputError
from jaxsim.pipeline.descriptor_file import (
    DAMAGE,
    check_unit_length,
    parts_of,
    read_footer,
    reading_part,
    require_one_model,
)


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
            about = []
            for file in files:
                with reading_part(file) if path.is_dir() else nullcontext():
                    about.append(read_footer(file))
        except DAMAGE as error:
            raise InputError(
                f"cannot read the descriptors '{path}' ({error}). Give a file or "
                "folder that 'jaxsim embed PHOTOS --out FILE.parquet' wrote"
            ) from error
        kinds = {(dimension, mark) for _, dimension, mark in about}
        require_one_model(path, kinds)
        ((dimension, fingerprint),) = kinds
        rows = sum(rows for rows, _, _ in about)
        return cls(path, tuple(files), rows, dimension, fingerprint)

    def read(self, block_rows: int = 4096) -> Iterator[Block]:
        """Yields blocks of at most so many rows.

        Raises:
          InputError: a file is damaged, or a descriptor is not of length 1.
        """
        from pyarrow import parquet

        for file in self.files:
            with reading_part(file), parquet.ParquetFile(file) as opened:
                for batch in opened.iter_batches(block_rows):
                    yield self._block(file, batch)

    def names(self) -> Iterator[str]:
        """Yields the images' names alone, without reading vectors.

        Raises:
          InputError: a file is damaged.
        """
        from pyarrow import parquet

        for file in self.files:
            with reading_part(file), parquet.ParquetFile(file) as opened:
                for batch in opened.iter_batches(columns=["name"]):
                    yield from batch["name"].to_pylist()

    def _block(self, file: Path, batch: Any) -> Block:
        numbers = batch["vector"].flatten().to_numpy(zero_copy_only=False)
        vectors = numbers.astype(np.float32).reshape(len(batch), self.dimension)
        names = batch["name"].to_pylist()
        check_unit_length(vectors, names, source=str(file))
        return Block(names, batch["label"].to_pylist(), vectors)
