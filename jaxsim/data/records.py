"""One image of a collection, before it is decoded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxsim.core.errors import InputError
from jaxsim.core.files import content_hash
from jaxsim.data.rejects import Reject

Box = tuple[float, float, float, float]


@dataclass(frozen=True, kw_only=True)
class Record:
    """Where an image is and what is known about it.

    Attributes:
      name: unique in its collection; for files the path relative to the root.
      content: the file, or a function that returns the encoded bytes.
      label: identity of the pictured thing, None if unknown.
      split: name of the part it belongs to ("train", "test", …), None if unsplit.
      box: (y0, x0, y1, x1) in pixels of the upright image, half open; the image is
        cropped to it before anything else. None means the whole image.
    """

    name: str
    content: Path | Callable[[], bytes]
    label: str | None = None
    split: str | None = None
    box: Box | None = None

    def read(self) -> bytes:
        """Returns the encoded image.

        Raises:
          OSError: the file cannot be read.
        """
        return (
            self.content.read_bytes()
            if isinstance(self.content, Path)
            else self.content()
        )


def content_of(record: Record, data: bytes) -> str:
    """Returns what names the content of a record: 32 hex digits of bytes and box.

    Args:
      record: an image, or a box of one.
      data: the bytes of its file.
    """
    box = b"" if record.box is None else repr(record.box).encode()
    return content_hash(data + box)


@dataclass(frozen=True, kw_only=True)
class RetrievalSet:
    """A collection with the queries asked of it.

    Attributes:
      name: prefix of its metric names, such as "landmarks".
      database: images that are ranked; position = id.
      queries: images that ask. None means that each database image queries all the
        others.
      positives: per query, ids that count as right; None means same label.
      ignored: per query, ids removed from the ranking before it is judged.
      graded: per query, a dict of named id lists ("easy", "hard", "junk") for
        protocols that build positives from them.
      rejects: paths of the collection that never became images.
    """

    name: str
    database: Sequence[Record]
    queries: Sequence[Record] | None = None
    positives: Sequence[Sequence[int]] | None = None
    ignored: Sequence[Sequence[int]] | None = None
    graded: Sequence[dict[str, list[int]]] | None = None
    rejects: Sequence[Reject] = ()

    def __post_init__(self):
        if not len(self.database):
            raise InputError(f"the data set '{self.name}' has no images")
        asked = self.database if self.queries is None else self.queries
        for field in ("positives", "ignored", "graded"):
            value = getattr(self, field)
            if value is not None and len(value) != len(asked):
                raise InputError(
                    f"the data set '{self.name}' has {len(asked)} queries but "
                    f"{len(value)} entries in '{field}'"
                )
