"""An index on disk, as one reader sees it: a version that never changes."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32, Int64

from jaxsim.core.errors import IndexFormatError, InputError
from jaxsim.index.exact import ExactIndex
from jaxsim.index.images import ImageRow, image_rows, image_schema, read_images
from jaxsim.index.lock import refuse_foreign_folder
from jaxsim.index.manifest import MANIFEST, REBUILD, Manifest, Segment, StoredFile

if TYPE_CHECKING:
    import pyarrow

PENDING = "pending"


@dataclass(frozen=True, eq=False)
class IndexStore:
    """A version of an index: vectors mapped from disk and a table of images.

    Row numbers count all stored rows, deleted ones included; they hold until the next
    version. Readers need no lock: a writer only adds files, and those of an old
    version stay readable for as long as they are open.

    Attributes:
      path: the folder.
      manifest: what the folder holds.
      vectors: per segment, float32 [rows, D], mapped into memory.
      table: Parquet table of all rows, see `jaxsim.index.images`.
    """

    path: Path
    manifest: Manifest
    vectors: tuple[np.ndarray, ...]
    table: "pyarrow.Table"

    @classmethod
    def create(
        cls,
        path: str | Path,
        *,
        dimension: int,
        fingerprint: str,
        info: Mapping[str, object],
    ) -> "IndexStore":
        """Makes an empty index.

        Args:
          path: a folder that does not exist or holds no index.
          dimension: length of a descriptor, >= 1.
          fingerprint: names the model; vectors and queries of another are refused.
          info: how images become descriptors; values JSON can hold.

        Raises:
          InputError: the folder holds an index or other files already, or cannot be
            written.
        """
        path = Path(path)
        if (path / MANIFEST).exists():
            raise InputError(
                f"{path} already holds an index. Open it to update it, or choose "
                "another folder."
            )
        refuse_foreign_folder(path)
        if dimension < 1:
            raise InputError(f"the dimension of an index is >= 1, not {dimension}")
        if (path / PENDING).exists():
            shutil.rmtree(path / PENDING)
        Manifest(fingerprint, dict(info), dimension).write(path)
        return cls.open(path)

    @classmethod
    def open(cls, path: str | Path, *, fingerprint: str | None = None) -> "IndexStore":
        """Opens the newest version.

        The size of every file is checked, and the content of those under 256 MiB;
        `verify` checks all.

        Args:
          path: the index's folder.
          fingerprint: of the model to be used with it; None does not compare.

        Raises:
          IndexFormatError: no index, a damaged file, a newer format, another model.
        """
        path = Path(path)
        while True:
            manifest = Manifest.read(path)
            try:
                store = cls._load(path, manifest)
            except FileNotFoundError as error:
                # A writer may have replaced the version between the two reads.
                if Manifest.read(path) == manifest:
                    raise IndexFormatError(
                        f"{error.filename} is missing. {REBUILD}"
                    ) from error
                continue
            if fingerprint is not None:
                store.check_fingerprint(fingerprint)
            return store

    @classmethod
    def _load(cls, path: Path, manifest: Manifest) -> "IndexStore":
        import pyarrow

        tables = [image_schema().empty_table()]
        vectors = []
        for segment in manifest.segments:
            for file in (segment.vectors, segment.images):
                file.verify(path, whole=False)
            vectors.append(_map_vectors(path, segment, manifest.dimension))
            tables.append(_read_table(path, segment))
        return cls(path, manifest, tuple(vectors), pyarrow.concat_tables(tables))

    @property
    def dimension(self) -> int:
        """Length of a descriptor."""
        return self.manifest.dimension

    def __len__(self) -> int:
        """Returns the number of images, deleted ones not counted."""
        return len(self.live_ids)

    @cached_property
    def live_ids(self) -> Int64[np.ndarray, " N"]:
        """Row numbers that are not deleted, rising."""
        live = np.ones(sum(s.rows for s in self.manifest.segments), bool)
        first = 0
        for segment in self.manifest.segments:
            live[first + np.array(segment.deleted, np.int64)] = False
            first += segment.rows
        return np.flatnonzero(live)

    @cached_property
    def rows(self) -> list[ImageRow]:
        """What is known of every stored row, deleted ones included."""
        return image_rows(self.table)

    def take(self, ids: Int64[np.ndarray, " M"]) -> Float32[np.ndarray, "M D"]:
        """Returns a copy of some vectors.

        Args:
          ids: row numbers, in any order.
        """
        ids = np.asarray(ids, np.int64)
        taken = np.empty((len(ids), self.dimension), np.float32)
        first = 0
        for vectors in self.vectors:
            here = np.flatnonzero((ids >= first) & (ids < first + len(vectors)))
            taken[here] = vectors[ids[here] - first]
            first += len(vectors)
        return taken

    def exact(self, *, on_device: bool = True) -> ExactIndex:
        """Returns an index that searches these vectors in place.

        Args:
          on_device: see `jaxsim.index.exact.ExactIndex`.
        """
        index = ExactIndex(
            np.empty((0, self.dimension), np.float32), on_device=on_device
        )
        for vectors in self.vectors:
            index.add(vectors)
        total = sum(map(len, self.vectors))
        index.delete(np.setdiff1d(np.arange(total), self.live_ids))
        return index

    def check_fingerprint(self, fingerprint: str) -> None:
        """Raises IndexFormatError unless the index was made by this model."""
        if fingerprint != self.manifest.fingerprint:
            raise IndexFormatError(
                f"{self.path} was made by the model {self.manifest.fingerprint}, but "
                f"this is the model {fingerprint}; their descriptors cannot be "
                "compared. Use the index's own model, or build another index with "
                "this one."
            )

    def verify(self) -> None:
        """Reads every byte of the index.

        Raises:
          IndexFormatError: a file is not as it was written.
        """
        for segment in self.manifest.segments:
            for file in (segment.vectors, segment.images):
                file.verify(self.path, whole=True)


def _map_vectors(path: Path, segment: Segment, dimension: int) -> np.ndarray:
    file = path / segment.vectors.name
    try:
        mapped = np.load(file, mmap_mode="r", allow_pickle=False)
    except ValueError as error:
        raise _damaged(path, segment.vectors, str(error)) from error
    if mapped.shape != (segment.rows, dimension) or mapped.dtype != np.float32:
        raise _damaged(
            path,
            segment.vectors,
            f"it holds {mapped.dtype} {list(mapped.shape)} instead of float32 "
            f"{[segment.rows, dimension]}",
        )
    return mapped


def _read_table(path: Path, segment: Segment) -> "pyarrow.Table":
    import pyarrow

    try:
        table = read_images(path / segment.images.name)
    except pyarrow.ArrowException as error:
        raise _damaged(path, segment.images, str(error)) from error
    if len(table) != segment.rows:
        raise _damaged(
            path, segment.images, f"{len(table)} rows instead of {segment.rows}"
        )
    return table


def _damaged(path: Path, file: StoredFile, how: str) -> IndexFormatError:
    return IndexFormatError(f"{path / file.name} is damaged: {how}. {REBUILD}")
