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
from jaxsim.index.base import Index
from jaxsim.index.compressed import UNREADABLE, Compressed, read_compressed
from jaxsim.index.exact import ExactIndex
from jaxsim.index.images import ImageRow, image_rows, image_schema, read_images
from jaxsim.index.kind import Kind
from jaxsim.index.lock import refuse_foreign_folder
from jaxsim.index.manifest import MANIFEST, REBUILD, Manifest, Segment, StoredFile
from jaxsim.index.pq import PqIndex

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
      packed: the bytes of the compressed file, mapped into memory; None without one.
    """

    path: Path
    manifest: Manifest
    vectors: tuple[np.ndarray, ...]
    table: "pyarrow.Table"
    packed: np.ndarray | None = None

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
        for file in manifest.files:
            file.verify(path, whole=False)
        for segment in manifest.segments:
            vectors.append(map_vectors(path, segment, manifest.dimension))
            tables.append(_read_table(path, segment))
        packed = None
        if manifest.compressed is not None:
            packed = np.memmap(path / manifest.compressed.file.name, np.uint8, "r")
        table = pyarrow.concat_tables(tables)
        return cls(path, manifest, tuple(vectors), table, packed)

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
        index.delete(self._deleted_ids)
        return index

    @property
    def kind(self) -> Kind:
        """How this index is searched.

        Raises:
          IndexFormatError: by a newer version of jaxsim.
        """
        if self.manifest.compressed is None:
            return Kind("exact")
        return _stored_kind(self.path, self.manifest.compressed.kind)

    def index(self, *, probes: int | None = None) -> Index:
        """Returns what answers queries: the compressed vectors if there are, or all.

        Args:
          probes: how many lists a search looks into; None leaves it to the index.

        Raises:
          InputError: the index has no lists, or not so many.
          IndexFormatError: the compressed file is damaged.
          MissingExtraError: faiss is needed and not installed.
        """
        if probes is not None:
            self.kind.check_probes(probes)
        index = self.compressed()
        if index is None:
            return self.exact()
        if probes is not None and not isinstance(index, PqIndex):
            index.set_probes(probes)
        index.delete(self._deleted_ids)
        return index

    def compressed(self) -> Compressed | None:
        """Returns the compressed vectors of all rows, deleted ones included.

        Raises:
          IndexFormatError: the file is damaged.
          MissingExtraError: faiss is needed and not installed.
        """
        if self.manifest.compressed is None or self.packed is None:
            return None
        file, rows = self.manifest.compressed.file, sum(map(len, self.vectors))
        try:
            index = read_compressed(self.kind, self.packed)
        except UNREADABLE as error:
            raise _damaged(self.path, file, str(error)) from error
        if (len(index), index.dimension) != (rows, self.dimension):
            raise _damaged(
                self.path,
                file,
                f"it holds {len(index)} rows of {index.dimension} components instead "
                f"of {rows} of {self.dimension}",
            )
        return index

    @property
    def _deleted_ids(self) -> Int64[np.ndarray, " M"]:
        total = sum(map(len, self.vectors))
        return np.setdiff1d(np.arange(total), self.live_ids)

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
        for file in self.manifest.files:
            file.verify(self.path, whole=True)
        self.compressed()


def _stored_kind(path: Path, text: str) -> Kind:
    try:
        return Kind.parse(text)
    except InputError as error:
        raise IndexFormatError(
            f"{path} is searched as '{text}', which this version of jaxsim does not "
            "know. Upgrade with: pip install --upgrade jaxsim"
        ) from error


def map_vectors(path: Path, segment: Segment, dimension: int) -> np.ndarray:
    """Returns the vectors of a segment of an index's folder, mapped into memory.

    Raises:
      IndexFormatError: the file does not hold float32 [rows, dimension].
    """
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
