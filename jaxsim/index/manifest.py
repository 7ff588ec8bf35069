"""The file that says what an index is made of; replacing it is the commit."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from jaxsim.core.errors import IndexFormatError
from jaxsim.core.files import atomic_write, content_hash

FORMAT = 1
MANIFEST = "manifest.json"
REBUILD = (
    "Restore the folder from a copy, or delete it and build the index again with "
    "'jaxsim index'."
)
_CHECKED_ON_OPEN_BYTES = 256 << 20


@dataclass(frozen=True)
class StoredFile:
    """A file of the index and what it must contain.

    Attributes:
      name: in the index's folder.
      size_bytes: its exact length.
      checksum: BLAKE2b, 128 bits, in hex.
    """

    name: str
    size_bytes: int
    checksum: str

    @classmethod
    def of(cls, path: Path) -> "StoredFile":
        """Describes a file that was just written."""
        return cls(path.name, path.stat().st_size, _checksum(path))

    def verify(self, folder: Path, *, whole: bool) -> None:
        """Raises IndexFormatError if the file is not as it was written.

        A missing file stays a FileNotFoundError: a writer may just have replaced it.

        Args:
          folder: where the index is.
          whole: read the content of large files too; those under 256 MiB always are.
        """
        path = folder / self.name
        try:
            self._verify(path, whole=whole)
        except FileNotFoundError:
            raise
        except OSError as error:
            raise IndexFormatError(
                f"{path} cannot be read: {error.strerror}. {REBUILD}"
            ) from error

    def _verify(self, path: Path, *, whole: bool) -> None:
        size = path.stat().st_size
        if size != self.size_bytes:
            raise IndexFormatError(
                f"{path} is damaged: it has {size} bytes instead of "
                f"{self.size_bytes}. {REBUILD}"
            )
        checked = whole or size < _CHECKED_ON_OPEN_BYTES
        if checked and _checksum(path) != self.checksum:
            raise IndexFormatError(
                f"{path} is damaged: its content does not match its checksum. {REBUILD}"
            )


@dataclass(frozen=True)
class Segment:
    """A run of rows written together and never changed.

    Attributes:
      rows: how many, deleted ones included.
      vectors: float32 [rows, D] as .npy.
      images: one line per row, as Parquet.
      deleted: positions within the segment that are no longer part of the index.
    """

    rows: int
    vectors: StoredFile
    images: StoredFile
    deleted: tuple[int, ...] = ()


@dataclass(frozen=True)
class CompressedFile:
    """Codes of all rows, deleted ones included, and what they were trained with.

    Attributes:
      kind: how to search them, such as "pq:64"; see `jaxsim.index.kind.Kind`.
      file: .npz, see `jaxsim.index.compressed`.
    """

    kind: str
    file: StoredFile


@dataclass(frozen=True)
class Manifest:
    """A whole version of the index.

    Attributes:
      fingerprint: names the model whose descriptors these are.
      info: how images become descriptors, for whoever opens the index; JSON values.
      dimension: length of a descriptor.
      segments: in the order of the row numbers.
      segments_written: over the whole life of the index, compressed files counted too,
        so that no name of a file is used twice.
      rejected: contents of the collection that hold no usable image, with reasons.
      compressed: what is searched instead of the vectors; None searches these.
    """

    fingerprint: str
    info: Mapping[str, object]
    dimension: int
    segments: tuple[Segment, ...] = ()
    segments_written: int = 0
    rejected: Mapping[str, str] = field(default_factory=dict)
    compressed: CompressedFile | None = None

    @property
    def files(self) -> tuple[StoredFile, ...]:
        """All files of this version."""
        packed = () if self.compressed is None else (self.compressed.file,)
        segments = ((s.vectors, s.images) for s in self.segments)
        return *(file for pair in segments for file in pair), *packed

    def write(self, folder: Path) -> None:
        """Replaces the manifest in one step.

        Raises:
          InputError: the disk is full or the folder cannot be written.
        """
        content = asdict(self)
        document = {
            "format": FORMAT,
            "checksum": _content_checksum(content),
            "content": content,
        }
        with atomic_write(folder / MANIFEST) as file:
            file.write(json.dumps(document, indent=1).encode())

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Reads and checks the manifest of a folder.

        Raises:
          IndexFormatError: there is none, it is damaged or of a newer format.
        """
        path = folder / MANIFEST
        try:
            return cls.parse(path.read_bytes(), path)
        except (FileNotFoundError, NotADirectoryError):
            what = f"{folder} is not an index: it has no {MANIFEST}"
            if not folder.exists():
                what = f"there is no folder {folder}, so no index"
            raise IndexFormatError(
                f"{what}. Build one with 'jaxsim index PHOTOS --out INDEX'."
            ) from None
        except OSError as error:
            raise IndexFormatError(
                f"{path} cannot be read: {error.strerror}. {REBUILD}"
            ) from error

    @classmethod
    def parse(cls, data: bytes, path: Path) -> "Manifest":
        """Reads a manifest's bytes; `path` is for messages."""
        try:
            document = json.loads(data)
            version = document["format"]
            if isinstance(version, int) and version > FORMAT:
                raise IndexFormatError(
                    f"{path} is of index format {version}, but this version of jaxsim "
                    f"reads formats up to {FORMAT}. Upgrade with: pip install "
                    "--upgrade jaxsim"
                )
            content = document["content"]
            if document["checksum"] != _content_checksum(content):
                raise ValueError("its content does not match its checksum")
            return cls(
                fingerprint=content["fingerprint"],
                info=content["info"],
                dimension=content["dimension"],
                segments=tuple(map(_segment, content["segments"])),
                segments_written=content["segments_written"],
                # Older versions of this format did not have them.
                rejected=content.get("rejected", {}),
                compressed=_compressed(content.get("compressed")),
            )
        except (ValueError, KeyError, TypeError) as error:
            raise IndexFormatError(f"{path} is damaged: {error}. {REBUILD}") from error


def _segment(content: dict) -> Segment:
    return Segment(
        rows=content["rows"],
        vectors=StoredFile(**content["vectors"]),
        images=StoredFile(**content["images"]),
        deleted=tuple(content["deleted"]),
    )


def _compressed(content: dict | None) -> CompressedFile | None:
    if content is None:
        return None
    return CompressedFile(content["kind"], StoredFile(**content["file"]))


def _content_checksum(content: Mapping[str, object]) -> str:
    return content_hash(json.dumps(content, sort_keys=True).encode())


def _checksum(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(
            file, lambda: hashlib.blake2b(digest_size=16)
        ).hexdigest()
