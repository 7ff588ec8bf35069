"""Records become batches: read, decoded and resized in threads."""

import collections
import contextlib
import dataclasses
import functools
import logging
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, cast

import grain

from jaxsim.core.errors import InputError
from jaxsim.data.batching import Batch, Loaded, Waiting
from jaxsim.data.buckets import bucket_shape
from jaxsim.data.images import RejectedImage, decode
from jaxsim.data.preprocess import Preprocessing
from jaxsim.data.records import Record
from jaxsim.data.rejects import Reject

T = TypeVar("T")
R = TypeVar("R")


def batches(
    records: Sequence[Record],
    preprocessing: Preprocessing,
    *,
    batch_size: int,
    num_threads: int | None = None,
    sizes_px: Sequence[int] | None = None,
    on_reject: Callable[[Reject], None] | None = None,
) -> Iterator[Batch]:
    """Loads all records once.

    The batches and their order depend on the records only, not on the threads. A record
    comes once for each size, but sizes and buckets fill independently, so ids arrive
    out of order. At most four batches of each size wait in memory.

    Args:
      records: random access; the position is the id.
      preprocessing: applied to every image.
      batch_size: rows of every batch, > 0.
      num_threads: that decode, > 0; all processors if None.
      sizes_px: multi-scale: each replaces `preprocessing.size_px` in turn; None for
        that size alone.
      on_reject: called with every record that cannot be used, in the order of ids and
        by the thread that takes the batches; None logs a warning.

    Yields:
      Batches of exactly `batch_size` rows. Whatever is left at the end is merged into
      larger buckets and filled up.

    Raises:
      InputError: an option is out of range.
    """
    if num_threads is None:
        num_threads = os.cpu_count() or 1
    if batch_size < 1 or num_threads < 1:
        raise InputError(
            f"batch_size={batch_size} and num_threads={num_threads} must be positive"
        )
    if sizes_px is not None and not len(sizes_px):
        raise InputError("sizes_px is empty; give at least one size, or None")
    variants = [
        dataclasses.replace(preprocessing, size_px=size)
        for size in sizes_px or (preprocessing.size_px,)
    ]
    return _batches(records, variants, batch_size, num_threads, on_reject or _log)


def prefetch_to_device(
    items: Iterator[T], put: Callable[[T], R], *, size: int = 2
) -> Generator[R, None, None]:
    """Maps `put` over an iterator in a background thread, a few items ahead.

    With a `put` that transfers to a device, the next batch is loaded and sent while the
    current one is computed. Closing the generator stops the thread and closes `items`;
    an exception in the thread is raised here, in its place.

    Args:
      items: used by the thread alone from now on.
      put: called once for each item, in order, such as `jax.device_put`.
      size: how many results may wait, > 0.

    Yields:
      `put(item)` for each item.
    """
    end = object()

    def step():
        item = next(items, end)
        return end if item is end else put(cast(T, item))

    with contextlib.ExitStack() as stack:
        # Unwound from the last: drop what waits, end the thread, close the source.
        stack.callback(getattr(items, "close", lambda: None))
        worker = stack.enter_context(ThreadPoolExecutor(1, "prefetch"))
        waiting = collections.deque(worker.submit(step) for _ in range(size))
        stack.callback(lambda: [future.cancel() for future in waiting])
        while (result := waiting.popleft().result()) is not end:
            waiting.append(worker.submit(step))
            yield cast(R, result)


def _batches(
    records: Sequence[Record],
    variants: list[Preprocessing],
    batch_size: int,
    num_threads: int,
    on_reject: Callable[[Reject], None],
) -> Iterator[Batch]:
    if not len(records):
        return
    # A long prefetch buffer costs time: grain walks over it for every element.
    loaded = (
        grain.MapDataset.source(records)
        .map_with_index(functools.partial(_load, variants))
        .to_iter_dataset(
            grain.ReadOptions(
                num_threads=num_threads, prefetch_buffer_size=2 * num_threads
            )
        )
    )
    waiting = Waiting(batch_size, max_images=4 * batch_size * len(variants))
    with contextlib.closing(iter(loaded)) as items:
        for item in items:
            if isinstance(item, Reject):
                on_reject(item)
            else:
                yield from waiting.add(item)
    yield from waiting.flush()


def _load(variants: list[Preprocessing], index: int, record: Record) -> Loaded | Reject:
    """Reads, decodes and resizes one record, to each size."""
    largest = max(variants, key=lambda variant: variant.size_px)
    try:
        image = decode(
            record.read(),
            # A box is given in pixels of the full image.
            target_px=largest.size_px if record.box is None else None,
            target_side="longest" if largest.resize == "longest" else "shortest",
        )
        images = [variant.apply(image, box=record.box) for variant in variants]
    except OSError as error:
        reason = f"cannot be read: {error.strerror or error}"
        return Reject(name=record.name, reason=reason, id=index)
    except MemoryError:
        return Reject(name=record.name, reason="too little memory left", id=index)
    except RejectedImage as error:
        return Reject(name=record.name, reason=error.reason, id=index, lasting=True)
    buckets = [
        bucket_shape(*image.shape[:2], size_px=variant.crop_px or variant.size_px)
        for image, variant in zip(images, variants, strict=True)
    ]
    return Loaded(index, images, buckets)


def _log(reject: Reject) -> None:
    logging.getLogger(__name__).warning("skipped %s: %s", reject.name, reject.reason)
