"""Vectors of a run that is not finished, kept so that a killed run can go on."""

import logging
import time
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from jaxsim.core.files import atomic_write

_FLUSH_ROWS = 1024
_FLUSH_SECONDS = 5.0


class Pending:
    """Durable vectors by content hash, in small files that readers never look at.

    Args:
      folder: where the files are; need not exist.
      dimension: length of a vector.
    """

    def __init__(self, folder: Path, dimension: int) -> None:
        self._folder = folder
        self._type = np.dtype([("content", "S32"), ("vector", "<f4", (dimension,))])
        self._rows: dict[str, np.void] = {}
        self._unwritten: list[np.void] = []
        self._flushed_s = time.monotonic()
        self._files = sorted(folder.glob("*.npy"))
        for path in self._files:
            self._read(path)

    def _read(self, path: Path) -> None:
        try:
            rows = np.load(path, mmap_mode="r", allow_pickle=False)
            if rows.dtype != self._type:
                raise ValueError(f"it holds {rows.dtype}")
        except (ValueError, EOFError) as error:
            logging.getLogger(__name__).warning(
                "%s is damaged (%s); its images are embedded again", path, error
            )
            return
        for row, content in zip(rows, rows["content"].tolist(), strict=True):
            self._rows[content.decode()] = row

    def __contains__(self, content: str) -> bool:
        return content in self._rows

    def contents(self) -> set[str]:
        """Returns the content hashes whose vectors are here."""
        return set(self._rows)

    def vector(self, content: str) -> Float32[np.ndarray, " D"]:
        """Returns the vector of this content."""
        return self._rows[content]["vector"]

    def put(self, content: str, vector: Float32[np.ndarray, " D"]) -> None:
        """Adds a vector, and from time to time writes the newest to disk."""
        if content in self:
            return
        row = np.array([(content.encode(), vector)], self._type)[0]
        self._rows[content] = row
        self._unwritten.append(row)
        waited_s = time.monotonic() - self._flushed_s
        if len(self._unwritten) >= _FLUSH_ROWS or waited_s > _FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Makes everything durable.

        Raises:
          InputError: the disk is full or the folder cannot be written.
        """
        if self._unwritten:
            number = 1 + max((int(path.stem) for path in self._files), default=0)
            path = self._folder / f"{number:08d}.npy"
            with atomic_write(path) as file:
                np.save(file, np.array(self._unwritten, self._type))
            self._files.append(path)
            self._unwritten = []
        self._flushed_s = time.monotonic()

    def clear(self) -> None:
        """Removes everything, also what a killed process was writing."""
        for path in [*self._folder.glob("*.npy"), *self._folder.glob(".*.tmp")]:
            path.unlink()
        self._rows, self._unwritten, self._files = {}, [], []
