"""Which images of a collection can be used, how large they are, which are equal."""

import contextlib
import os
from collections.abc import Sequence
from dataclasses import dataclass

import grain

from jaxsim.core.progress import Progress
from jaxsim.data.images import RejectedImage, decode, upright_size
from jaxsim.data.preprocess import crop_box, refuse_elongated
from jaxsim.data.records import Record, content_of
from jaxsim.data.rejects import Reject

_REDUCED_PX = 64


@dataclass(frozen=True, kw_only=True)
class UsableImage:
    """An image that can be decoded.

    Attributes:
      height: upright and inside its box, in pixels.
      width: likewise.
      content: names what it shows exactly, see `content_of`.
    """

    height: int
    width: int
    content: str


def inspect_images(
    records: Sequence[Record],
    *,
    num_threads: int | None = None,
    progress: Progress = lambda count: None,
) -> list[UsableImage | Reject]:
    """Reads and decodes every image once.

    Args:
      records: random access.
      num_threads: that decode, > 0; all processors if None.
      progress: called with the number of images done since the last call.

    Returns:
      For each record what it is, or why it cannot be used.
    """
    if not len(records):
        return []
    threads = num_threads or os.cpu_count() or 1
    inspected = (
        grain.MapDataset.source(records)
        .map_with_index(_inspect)
        .to_iter_dataset(
            grain.ReadOptions(num_threads=threads, prefetch_buffer_size=2 * threads)
        )
    )
    found = []
    with contextlib.closing(iter(inspected)) as images:
        for image in images:
            found.append(image)
            progress(1)
    return found


def _inspect(index: int, record: Record) -> UsableImage | Reject:
    try:
        data = record.read()
        if record.box is None:
            # Whether it decodes shows at a reduced size too, and sooner.
            decode(data, target_px=_REDUCED_PX)
            height, width = upright_size(data)
        else:
            height, width = crop_box(decode(data), record.box).shape[:2]
        refuse_elongated(height, width)
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}"
        return Reject(name=record.name, reason=reason, id=index)
    except MemoryError:
        return Reject(name=record.name, reason="too little memory left", id=index)
    except RejectedImage as error:
        return Reject(name=record.name, reason=error.reason, id=index)
    content = content_of(record, data)
    return UsableImage(height=height, width=width, content=content)
