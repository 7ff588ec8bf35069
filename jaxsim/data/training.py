"""Training batches: the same images whatever the threads, processes or resumed step."""

import contextlib
import copy
import functools
import itertools
import logging
import os
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import NamedTuple

import grain
import numpy as np
from jaxtyping import Int32, Int64

from jaxsim.core.errors import InputError
from jaxsim.core.rng import rng
from jaxsim.data.augment import Augmentation
from jaxsim.data.images import RejectedImage, decode
from jaxsim.data.label_groups import group_by_label
from jaxsim.data.preprocess import Preprocessing
from jaxsim.data.records import Box, Record
from jaxsim.data.rejects import Reject
from jaxsim.data.samplers import Sampler, size_options


class TrainingBatches:
    """Loads and augments what a sampler draws.

    The image in row r of step s is changed by numbers drawn for s * B + r, so a batch
    depends on the seed and the step only; each of P processes loads its own rows. In
    memory are the images that threads work on, two waiting for each thread, and the
    batch being filled.

    An image that cannot be decoded is replaced by the next that can, of the same label
    and in order of position, from the first again after the last.

    Args:
      records: random access.
      labels: of each record; None for none.
      sampler: draws positions among the records.
      transform: makes every image at most as large as its slot.
      seed: of the augmentation, >= 0.
      num_threads: that load, >= 0; 0 loads in the thread that iterates; all processors
        if None.
      process_index: which part of each batch is loaded here.
      process_count: number of parts; divides the sampler's batch size.
      on_reject: called once with each image that cannot be decoded, by the thread that
        iterates; None logs a warning.

    Raises:
      InputError: an option is out of range, the transform gives images of any size, or
        it follows boxes and a record has none.
    """

    def __init__(
        self,
        records: Sequence[Record],
        labels: Sequence[str | None],
        sampler: Sampler,
        transform: Augmentation,
        *,
        seed: int = 0,
        num_threads: int | None = None,
        process_index: int = 0,
        process_count: int = 1,
        on_reject: Callable[[Reject], None] | None = None,
    ):
        if len(records) != len(labels):
            raise InputError(f"{len(records)} records have {len(labels)} labels")
        if seed < 0 or (num_threads is not None and num_threads < 0):
            raise InputError(
                f"seed={seed} and num_threads={num_threads} must not be negative"
            )
        if not 0 <= process_index < process_count or sampler.batch_size % process_count:
            raise InputError(
                f"process {process_index} of {process_count} cannot have an equal part "
                f"of {sampler.batch_size} images ({size_options(sampler)}). Change "
                "these fields of the config by --set FIELD=VALUE so that the number of "
                "processes divides the batch"
            )
        if transform.boxes == "follow":
            _require_boxes(records)
        self._records = records
        self._groups = group_by_label(labels)
        self._sampler = sampler
        self._transform = transform
        self._slot_px = _slot_px(transform.preprocessing)
        self._seed = seed
        self._num_threads = os.cpu_count() or 1 if num_threads is None else num_threads
        self._rows = sampler.batch_size // process_count
        self._first_row = process_index * self._rows
        self._on_reject = on_reject or _log
        self._reason_of: dict[int, str] = {}
        self._reported: set[int] = set()

    @property
    def label_names(self) -> tuple[str, ...]:
        """The labels, sorted; a label's code is its place."""
        return self._groups.names

    @property
    def label_codes(self) -> Int32[np.ndarray, " N"]:
        """The code of each record's label, -1 without one."""
        return self._groups.codes

    @property
    def batch_size(self) -> int:
        """Images of a batch, of all processes together."""
        return self._sampler.batch_size

    def with_sampler(self, sampler: Sampler) -> "TrainingBatches":
        """Returns the same images drawn by another sampler, of the same batch size."""
        other = copy.copy(self)
        other._sampler = sampler
        return other

    @property
    def slot_px(self) -> int:
        """Height and width of the square that every image lies in."""
        return self._slot_px

    def iterate(
        self, start: int, stop: int
    ) -> Generator[dict[str, np.ndarray], None, None]:
        """Loads the batches of steps `start` to `stop - 1`.

        Closing the iterator ends its threads.

        Args:
          start: >= 0.
          stop: >= start.

        Yields:
          Of each step, this process' rows:
          "images": uint8 [B, S, S, 3], each in the top-left corner of its slot, zeros
            elsewhere.
          "valid": int32 [B, 2], height and width of each image.
          "labels": int32 [B], codes of `label_names`, -1 without a label.
          "ids": int64 [B], positions of the records that were loaded.
          "boxes": float32 [B, 4], in pixels; only of a transform that follows them.

        Raises:
          InputError: a file cannot be read any more, or no image of a label can be
            decoded.
        """
        if not 0 <= start <= stop:
            raise InputError(f"steps {start} to {stop} are no range from 0 on")
        return self._iterate(start, stop)

    def _iterate(
        self, start: int, stop: int
    ) -> Generator[dict[str, np.ndarray], None, None]:
        if start == stop:
            return
        load = functools.partial(
            self._load, functools.lru_cache(maxsize=64)(self._positions), start
        )
        # A long prefetch buffer costs time: grain walks over it for every element.
        elements = (
            grain.MapDataset.range((stop - start) * self._rows)
            .map(load)
            .to_iter_dataset(
                grain.ReadOptions(
                    num_threads=self._num_threads,
                    prefetch_buffer_size=2 * self._num_threads,
                )
            )
        )
        with contextlib.closing(iter(elements)) as loaded:
            for _ in range(start, stop):
                yield self._batch(itertools.islice(loaded, self._rows))

    def _positions(self, step: int) -> Int64[np.ndarray, " B"]:
        positions = self._sampler(step)
        if positions.max() >= len(self._records):
            raise InputError(
                f"the sampler draws image {positions.max()} of {len(self._records)} "
                "records; build it from the labels of the same records"
            )
        return positions

    def _load(
        self,
        positions: Callable[[int], np.ndarray],
        start: int,
        element: int,
    ) -> "_Row":
        """Loads one row, in any thread."""
        step, row = divmod(element, self._rows)
        step, row = start + step, self._first_row + row
        wanted = int(positions(step)[row])
        example = step * self._sampler.batch_size + row
        passed = []
        for position in self._candidates(wanted):
            if position not in self._reason_of:
                try:
                    return _Row(position, *self._image(position, example), passed)
                except RejectedImage as error:
                    # Whichever thread comes first: the reason is the same.
                    self._reason_of[position] = error.reason
            passed.append(position)
        name = self._records[wanted].name
        raise InputError(
            f"none of the {len(passed)} images of the label {self._label(wanted)} can "
            f"be decoded, such as '{name}' ({self._reason_of[wanted]}). Repair the "
            "images, or leave the label out"
        )

    def _candidates(self, wanted: int) -> Iterator[int]:
        """Yields the image itself, then those that may replace it."""
        yield wanted
        codes = self._groups.codes
        same = np.flatnonzero(codes == codes[wanted])
        yield from np.roll(same, -1 - int(np.searchsorted(same, wanted)))[:-1].tolist()

    def _image(self, position: int, example: int) -> tuple[np.ndarray, Box | None]:
        """Returns the changed image, and its box if that is followed."""
        record = self._records[position]
        try:
            data = record.read()
        except OSError as error:
            raise InputError(
                f"cannot read '{record.name}' ({error.strerror or error}): the data "
                "folder has changed or is no longer mounted. Put the file back and "
                "resume, or train on the images that are left"
            ) from error
        square_or_short = self._transform.preprocessing.resize != "longest"
        image = decode(
            data,
            # A box is given in pixels of the full image.
            target_px=self._transform.decode_px if record.box is None else None,
            target_side="shortest" if square_or_short else "longest",
        )
        random = rng(self._seed, "augment", example)
        if self._transform.boxes == "follow" and record.box is not None:
            return self._transform.follow(image, random, box=record.box)
        return self._transform.apply(image, random, box=record.box), None

    def _batch(self, rows: Iterator["_Row"]) -> dict[str, np.ndarray]:
        side = self._slot_px
        images = np.zeros((self._rows, side, side, 3), np.uint8)
        valid = np.zeros((self._rows, 2), np.int32)
        ids = np.zeros(self._rows, np.int64)
        boxes = np.zeros((self._rows, 4), np.float32)
        for i, row in enumerate(rows):
            self._report(row.passed)
            height, width = row.image.shape[:2]
            images[i, :height, :width] = row.image
            valid[i] = height, width
            ids[i] = row.position
            boxes[i] = row.box or 0
        labels = self._groups.codes[ids]
        batch = {"images": images, "valid": valid, "labels": labels, "ids": ids}
        return batch | ({"boxes": boxes} if self._transform.boxes == "follow" else {})

    def _report(self, positions: Sequence[int]) -> None:
        for position in positions:
            if position not in self._reported:
                self._reported.add(position)
                name, reason = self._records[position].name, self._reason_of[position]
                self._on_reject(Reject(name=name, reason=reason, id=position))

    def _label(self, position: int) -> str:
        code = self._groups.codes[position]
        return "None" if code < 0 else f"'{self._groups.names[code]}'"


class _Row(NamedTuple):
    """A loaded image, its position, and those passed over because they are broken."""

    position: int
    image: np.ndarray
    box: Box | None
    passed: list[int]


def _slot_px(preprocessing: Preprocessing) -> int:
    if preprocessing.resize == "shortest" and preprocessing.crop_px is None:
        raise InputError(
            "resize='shortest' gives images of any length; training needs one size. "
            "Set crop_px, or resize='longest' or 'square'"
        )
    return preprocessing.crop_px or preprocessing.size_px


def _require_boxes(records: Sequence[Record]) -> None:
    without = [record.name for record in records if record.box is None]
    if without:
        raise InputError(
            f"{len(without)} of {len(records)} images have no box, such as "
            f"'{without[0]}', and boxes are what is to be learned. Train on a .csv "
            "manifest with the columns path, y0, x0, y1, x1, and leave those images out"
        )


def _log(reject: Reject) -> None:
    logging.getLogger(__name__).warning(
        "replaced %s by another image: %s", reject.name, reject.reason
    )
