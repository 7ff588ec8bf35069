"""Images of many shapes become batches of a few shapes."""

import collections
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int32, Int64, UInt8

Bucket = tuple[int, int]


@dataclass(frozen=True)
class Batch:
    """Images of one bucket, in their top-left corners.

    Attributes:
      ids: int64 [B], positions among the records; -1 in rows that fill up the batch.
      images: uint8 [B, H, W, 3], zero outside the image.
      valid: int32 [B, 2], height and width of each image; the whole bucket in rows that
        fill up the batch.
      real: bool [B], False in rows that fill up the batch.
      size_index: which of the loader's sizes the images were resized to.
    """

    ids: Int64[np.ndarray, "B"]
    images: UInt8[np.ndarray, "B H W 3"]
    valid: Int32[np.ndarray, "B 2"]
    real: Bool[np.ndarray, "B"]
    size_index: int = 0


@dataclass(frozen=True)
class Loaded:
    """One record's pixels.

    Attributes:
      id: the record's position.
      images: uint8 [h, w, 3], one of each size.
      buckets: height and width of the bucket of each image.
    """

    id: int
    images: list[np.ndarray]
    buckets: list[Bucket]


class Waiting:
    """Images that wait until their bucket fills a batch.

    Args:
      batch_size: rows of every batch.
      max_images: how many may wait; beyond, buckets are merged. At least
        2 * batch_size for each size, so that a merged batch is full.
    """

    def __init__(self, batch_size: int, *, max_images: int):
        self._batch_size = batch_size
        self._max_images = max_images
        self._rows: dict[tuple[int, Bucket], list[tuple[int, np.ndarray]]] = (
            collections.defaultdict(list)
        )

    def add(self, item: Loaded) -> Iterator[Batch]:
        """Yields the batches that this image completes."""
        for size_index, (image, bucket) in enumerate(
            zip(item.images, item.buckets, strict=True)
        ):
            rows = self._rows[size_index, bucket]
            rows.append((item.id, image))
            if len(rows) == self._batch_size:
                yield self._merge([(size_index, bucket)])
        while self._count(self._rows) > self._max_images:
            yield self._merge(max(self._groups(), key=self._count))

    def flush(self) -> Iterator[Batch]:
        """Yields everything that is left."""
        while self._rows:
            yield self._merge(self._groups()[0])

    def _count(self, keys) -> int:
        return sum(len(self._rows[key]) for key in keys)

    def _groups(self) -> list[list[tuple[int, Bucket]]]:
        """Returns the buckets that may share a batch, each group's largest first.

        Buckets of one size and orientation have one side in common, so the largest
        holds the images of all.
        """
        groups = collections.defaultdict(list)
        for size_index, (height, width) in sorted(self._rows, reverse=True):
            groups[size_index, height > width].append((size_index, (height, width)))
        return [groups[key] for key in sorted(groups)]

    def _merge(self, keys: list[tuple[int, Bucket]]) -> Batch:
        """Takes a batch from these buckets, the first of which is the largest."""
        rows = []
        for key in keys:
            needed = self._batch_size - len(rows)
            rows += self._rows[key][:needed]
            del self._rows[key][:needed]
            if not self._rows[key]:
                del self._rows[key]
        return _pack(rows, *keys[0], batch_size=self._batch_size)


def _pack(
    rows: list[tuple[int, np.ndarray]],
    size_index: int,
    bucket: Bucket,
    *,
    batch_size: int,
) -> Batch:
    ids = np.full(batch_size, -1, np.int64)
    images = np.zeros((batch_size, *bucket, 3), np.uint8)
    valid = np.tile(np.array(bucket, np.int32), (batch_size, 1))
    for row, (image_id, image) in enumerate(rows):
        height, width = image.shape[:2]
        ids[row] = image_id
        images[row, :height, :width] = image
        valid[row] = height, width
    return Batch(ids, images, valid, ids >= 0, size_index)
