"""Changes an index on disk: all of a run, or nothing."""

from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np

from jaxsim.core.files import atomic_write
from jaxsim.index.base import check_vectors
from jaxsim.index.compressed import (
    Compressed,
    emptied,
    train_compressed,
    write_compressed,
)
from jaxsim.index.images import ImageFile, ImageRow, write_images
from jaxsim.index.kind import Kind
from jaxsim.index.lock import locked
from jaxsim.index.manifest import (
    MANIFEST,
    CompressedFile,
    Manifest,
    Segment,
    StoredFile,
)
from jaxsim.index.pending import Pending
from jaxsim.index.storage import PENDING, IndexStore, map_vectors
from jaxsim.index.update import Plan, plan_update

MOST_SEGMENTS = 8
MOST_DELETED_FRAC = 0.25
_BLOCK_ROWS = 4096
_ENCODED_AT_ONCE = 65536


class IndexWriter:
    """The one process that may change an index.

    `put` makes vectors durable as they come, where no reader sees them; `commit` makes
    a new version in one step. Killed at any moment, the index is as it was before or
    as after, and the next writer finds the vectors that were put.

    Attributes:
      store: the newest version.
    """

    def __init__(self, store: IndexStore) -> None:
        self.store = store
        self._pending = Pending(store.path / PENDING, store.dimension)

    @classmethod
    @contextmanager
    def open(
        cls, path: str | Path, *, fingerprint: str | None = None
    ) -> Iterator["IndexWriter"]:
        """Gives the right to write until the block ends or the process dies.

        Args:
          path: the index's folder.
          fingerprint: of the model to be used with it; None does not compare.

        Raises:
          InputError: another process is writing, or the folder cannot be written.
          IndexFormatError: no index, a damaged file, a newer format, another model.
        """
        path = Path(path)
        Manifest.read(path)
        with locked(path):
            writer = cls(IndexStore.open(path, fingerprint=fingerprint))
            writer._remove_leftovers()
            try:
                yield writer
            finally:
                writer.flush()

    def plan(
        self,
        files: Iterable[ImageFile],
        hash_file: Callable[[ImageFile], str],
        *,
        rejected: Collection[str] = (),
    ) -> Plan:
        """Compares a folder with the index; see `jaxsim.index.update.plan_update`."""
        return plan_update(
            self.store, files, hash_file, self._pending.contents(), rejected
        )

    def put(
        self,
        content: str,
        vector: np.ndarray,
    ) -> None:
        """Keeps the vector of an image for the commit.

        Args:
          content: content hash of the image's file.
          vector: float32 [D], finite.

        Raises:
          InputError: the vector cannot be used, or the disk is full.
        """
        row = check_vectors(
            np.asarray(vector)[None], self.store.dimension, f"vectors of {content}"
        )[0]
        self._pending.put(content, row)

    def flush(self) -> None:
        """Makes every vector that was put survive a crash."""
        self._pending.flush()

    def commit(
        self,
        plan: Plan,
        *,
        skipped: Collection[str] = (),
        rejected: Mapping[str, str] | None = None,
        info: Mapping[str, object] | None = None,
    ) -> IndexStore:
        """Makes the version that the plan describes.

        Live rows are rewritten into one segment when more than a quarter of all rows
        would be deleted, or there would be more than 8 segments; row numbers change.

        Args:
          plan: of this writer's `plan`; every content of its `to_embed` was put,
            skipped or rejected.
          skipped: contents whose files get no row this time.
          rejected: contents that hold no usable image, with reasons: their files get
            no row, and the new version remembers them instead of those before.
          info: of the new version; None keeps what there is.

        Returns:
          The new version.

        Raises:
          InputError: the disk is full; the index is as before.
          ValueError: the plan is of another version, or lacks vectors.
        """
        if plan.manifest is not self.store.manifest:
            raise ValueError("the plan was made for another version of the index")
        self.flush()
        before = self.store.manifest
        after = replace(
            before,
            info=dict(before.info if info is None else info),
            rejected=dict(rejected or {}),
        )
        if plan.changes or after != before:
            rows = self._new_rows(plan, {*skipped, *after.rejected})
            self._write_version(plan.kept, rows, after)
            self.store = IndexStore.open(self.store.path)
        self._remove_leftovers()
        self._pending.clear()
        return self.store

    def compress(self, kind: Kind) -> IndexStore:
        """Makes a version that is searched in another way; its rows stay as they are.

        What is trained sees a sample of the live vectors, drawn evenly. The vectors
        stay beside the codes: whatever is trained later starts from them.

        Args:
          kind: "exact" drops the codes.

        Returns:
          The new version.

        Raises:
          InputError: the vectors do not suit this kind, or the disk is full; the index
            is as before.
          MissingExtraError: faiss is asked for and not installed.
        """
        manifest = replace(self.store.manifest, compressed=None)
        if kind.name != "exact":
            live = self.store.live_ids
            kind.check_dimension(self.store.dimension)
            kind.check_rows(len(live))
            step = -(-len(live) // kind.most_training_rows)
            index = train_compressed(kind, self.store.take(live[::step]))
            for vectors in self.store.vectors:
                _add(index, vectors)
            manifest = self._with_compressed(manifest, kind, index)
        manifest.write(self.store.path)
        self.store = IndexStore.open(self.store.path)
        self._remove_leftovers()
        return self.store

    def _with_compressed(
        self, manifest: Manifest, kind: Kind, index: Compressed
    ) -> Manifest:
        number = manifest.segments_written + 1
        path = self.store.path / f"compressed-{number:06d}.npz"
        write_compressed(path, index)
        packed = CompressedFile(str(kind), StoredFile.of(path))
        return replace(manifest, compressed=packed, segments_written=number)

    def _recompressed(self, manifest: Manifest) -> Manifest:
        """Returns the manifest with codes of its rows, old codebooks for new rows."""
        before = [segment.vectors for segment in self.store.manifest.segments]
        after = [segment.vectors for segment in manifest.segments]
        index = None if before == after else self.store.compressed()
        if index is None:
            return manifest
        if after[: len(before)] == before:
            new = manifest.segments[len(before) :]
        else:
            new, index = manifest.segments, emptied(index)
        for segment in new:
            _add(index, map_vectors(self.store.path, segment, manifest.dimension))
        return self._with_compressed(manifest, self.store.kind, index)

    def _new_rows(self, plan: Plan, without: set[str]) -> list[ImageRow]:
        stored = {row.content for row in self.store.rows}
        rows, missing = [], []
        for file, content in plan.found:
            if content in without:
                continue
            if content in self._pending or content in stored:
                rows.append(ImageRow(**vars(file), content=content))
            else:
                missing.append(file.name)
        if missing:
            raise ValueError(
                f"{len(missing)} planned files were neither put nor rejected, such as "
                f"{missing[0]!r}"
            )
        return rows

    def _write_version(
        self, kept: np.ndarray, added: list[ImageRow], manifest: Manifest
    ) -> None:
        segments = _without_dropped(manifest.segments, kept)
        stored = sum(segment.rows for segment in segments) + len(added)
        deleted = stored - len(kept) - len(added)
        many = len(segments) + bool(added) > MOST_SEGMENTS
        if many or deleted > MOST_DELETED_FRAC * stored:
            added = [self.store.rows[row] for row in kept] + added
            segments = []
        number = manifest.segments_written
        if added:
            number += 1
            segments.append(self._write_segment(f"segment-{number:06d}", added))
        after = replace(manifest, segments=tuple(segments), segments_written=number)
        self._recompressed(after).write(self.store.path)

    def _write_segment(self, name: str, rows: Sequence[ImageRow]) -> Segment:
        vectors = self.store.path / f"{name}.npy"
        images = self.store.path / f"{name}.parquet"
        shape = (len(rows), self.store.dimension)
        position = {row.content: i for i, row in enumerate(self.store.rows)}
        with atomic_write(vectors) as file:
            np.lib.format.write_array_header_1_0(
                file, {"descr": "<f4", "fortran_order": False, "shape": shape}
            )
            for start in range(0, len(rows), _BLOCK_ROWS):
                contents = [row.content for row in rows[start : start + _BLOCK_ROWS]]
                file.write(self._vectors(contents, position).tobytes())
        with atomic_write(images) as file:
            write_images(file, rows)
        return Segment(len(rows), StoredFile.of(vectors), StoredFile.of(images))

    def _vectors(self, contents: list[str], position: dict[str, int]) -> np.ndarray:
        vectors = self.store.take(np.array([position.get(c, -1) for c in contents]))
        for row, content in enumerate(contents):
            if content not in position:
                vectors[row] = self._pending.vector(content)
        return vectors

    def _remove_leftovers(self) -> None:
        folder = self.store.path
        named = {file.name for file in self.store.manifest.files}
        for pattern in ("segment-*", "compressed-*"):
            for path in folder.glob(pattern):
                if path.name not in named:
                    path.unlink()
        for pattern in (".segment-*.tmp", ".compressed-*.tmp", f".{MANIFEST}.*.tmp"):
            for path in folder.glob(pattern):
                path.unlink()


def _add(index: Compressed, vectors: np.ndarray) -> None:
    """Adds rows in blocks, so that vectors on disk are not all read at once."""
    for start in range(0, len(vectors), _ENCODED_AT_ONCE):
        index.add(np.array(vectors[start : start + _ENCODED_AT_ONCE]))


def _without_dropped(segments: Sequence[Segment], kept: np.ndarray) -> list[Segment]:
    remaining, first = [], 0
    for segment in segments:
        here = kept[(kept >= first) & (kept < first + segment.rows)] - first
        if len(here):
            deleted = np.setdiff1d(np.arange(segment.rows), here)
            remaining.append(replace(segment, deleted=tuple(deleted.tolist())))
        first += segment.rows
    return remaining
