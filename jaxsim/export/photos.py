"""Photos as an exported program wants to see them."""

from collections.abc import Sequence

import numpy as np

from jaxsim.core.errors import InputError
from jaxsim.data.images import RejectedImage, decode
from jaxsim.data.records import Record
from jaxsim.export.program import ImageInput, Program


def load_photos(
    records: Sequence[Record], inputs: Sequence[ImageInput], program: Program
) -> tuple[list[int], dict[str, np.ndarray]]:
    """Reads photos into the arrays of a program of `image_program`.

    Args:
      records: photos.
      inputs: what the program was made of.
      program: names the arrays.

    Returns:
      Positions of the photos that can be read and fit the slots, and every array of the
      program with a row for each of them.

    Raises:
      InputError: there is none.
    """
    ids, images, unread = [], [], 0
    for number, record in enumerate(records):
        try:
            sizes = _resized(record, inputs)
        except (OSError, RejectedImage):
            unread += 1
            continue
        if all(
            image.shape[0] <= entry.slot[0] and image.shape[1] <= entry.slot[1]
            for image, entry in zip(sizes, inputs, strict=True)
        ):
            ids.append(number)
            images.append(sizes)
    if not ids:
        raise InputError(
            f"none of {len(records)} photos can be used: "
            + _causes(unread, len(records) - unread, inputs)
        )
    arrays = {
        name: np.zeros((len(ids), *shape), dtype)
        for name, (shape, dtype) in program.inputs.items()
    }
    names = iter(arrays)
    for scale, entry in enumerate(inputs):
        pixels = arrays[next(names)]
        valid = None if entry.fills_slot else arrays[next(names)]
        for row, sizes in enumerate(images):
            height, width = sizes[scale].shape[:2]
            pixels[row, :height, :width] = sizes[scale]
            if valid is not None:
                valid[row] = height, width
    return ids, arrays


def _causes(unread: int, large: int, inputs: Sequence[ImageInput]) -> str:
    """Says how many photos cannot be used for which reason, and how to mend it."""
    slots = " or ".join("x".join(map(str, entry.slot)) for entry in inputs)
    if not large:
        return f"{unread} cannot be read. Give other photos"
    said = f"{large} do not fit the slot of {slots} px (height x width) when resized"
    said += f", and {unread} cannot be read" * (unread > 0)
    return f"{said}. Give a larger --slot, or other photos"


def _resized(record: Record, inputs: Sequence[ImageInput]) -> list[np.ndarray]:
    largest = max((x.preprocessing for x in inputs), key=lambda x: x.size_px)
    image = decode(
        record.read(),
        target_px=largest.size_px if record.box is None else None,
        target_side="longest" if largest.resize == "longest" else "shortest",
    )
    return [entry.preprocessing.apply(image, box=record.box) for entry in inputs]
