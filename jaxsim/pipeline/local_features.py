"""Local features of the images of a collection, by row."""

import collections
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock

from jaxsim.classical.feature_cache import FeatureCache
from jaxsim.classical.local_features import LocalFeatures
from jaxsim.core.progress import Bars
from jaxsim.data.images import RejectedImage, decode
from jaxsim.data.preprocess import crop_box
from jaxsim.data.records import Record, content_of


@dataclass(frozen=True, eq=False)
class RecordFeatures:
    """Gives the local features of an image; what `SpatialVerification` asks for.

    Points are in pixels of the upright image, of its box if it has one.

    Attributes:
      records: the images; the position is the row.
      cache: where features are kept.
      contents: `content_of` each record, as an index stores it, so that no file with
        known features is read. None reads and hashes each once.
      in_memory: how many images' features are kept in memory too, about 140 KB each.
    """

    records: Sequence[Record]
    cache: FeatureCache
    contents: Sequence[str] | None = None
    in_memory: int = 1024
    _recent: "collections.OrderedDict[int, LocalFeatures]" = field(
        default_factory=collections.OrderedDict, init=False, repr=False
    )
    _hashes: dict[int, str] = field(default_factory=dict, init=False, repr=False)
    _lock: Lock = field(default_factory=Lock, init=False, repr=False)

    def __call__(self, row: int) -> LocalFeatures:
        """Returns the features of one image.

        Args:
          row: of the image.

        Raises:
          OSError: the file is needed and cannot be read.
          RejectedImage: the image cannot be used, or is not that of its content.
          InputError: features cannot be written.
          MissingExtraError: the engine is not installed.
        """
        with self._lock:
            if row in self._recent:
                self._recent.move_to_end(row)
                return self._recent[row]
        features = self._load(row)
        with self._lock:
            self._recent[row] = features
            while len(self._recent) > self.in_memory:
                self._recent.popitem(last=False)
        return features

    def content(self, row: int) -> str:
        """Returns `content_of` an image, which is read if nobody has read it yet.

        Args:
          row: of the image.

        Raises:
          OSError: the file is needed and cannot be read.
        """
        return self._content(row)[0]

    def _content(self, row: int) -> tuple[str, bytes | None]:
        """Returns what names the content, and the file if it was read for that."""
        if self.contents is not None:
            return self.contents[row], None
        if row in self._hashes:
            return self._hashes[row], None
        data = self.records[row].read()
        content = self._hashes[row] = content_of(self.records[row], data)
        return content, data

    def _load(self, row: int) -> LocalFeatures:
        record = self.records[row]
        content, data = self._content(row)

        def image():
            found = record.read() if data is None else data
            if content_of(record, found) != content:
                # Its points would be kept as those of what was there before.
                raise RejectedImage("changed since it was indexed or first read")
            pixels = decode(found)
            return pixels if record.box is None else crop_box(pixels, record.box)

        return self.cache.get(content, image)


def find_points(
    features: RecordFeatures, rows: Sequence[int], bars: Bars
) -> dict[int, str]:
    """Stores the local features of images; returns why some have none after all.

    Args:
      features: of the images.
      rows: which ones.
      bars: shows progress.
    """
    damaged: dict[int, str] = {}

    def find(row: int) -> None:
        try:
            features(row)
        except RejectedImage as error:
            damaged[row] = error.reason
        except OSError as error:
            damaged[row] = f"cannot be read: {error.strerror or error}"

    with (
        bars("find points", len(rows)) as progress,
        ThreadPoolExecutor(os.cpu_count()) as threads,
    ):
        for _ in threads.map(find, rows):
            progress(1)
    return damaged
