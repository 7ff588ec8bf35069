"""What is exported: one function from arrays to one array, with the names of both.

Images are described by the network at each scale from pixels of that scale, so that
whoever runs the program resizes a photo once for each scale, as jaxsim does.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from jaxsim.core.errors import InputError
from jaxsim.data.buckets import MULTIPLE_PX
from jaxsim.data.preprocess import Preprocessing
from jaxsim.ops.normalise import l2_normalise
from jaxsim.pipeline.model import ImageModel
from jaxsim.pipeline.similarity import SimilarityModel

Slot = tuple[int, int]
"""Height and width in pixels of the array that an image lies in, at its top left."""
BATCH = "batch"
SMALLEST_SLOT_PX = 32


@dataclass(frozen=True, kw_only=True)
class ImageInput:
    """The images of one scale.

    Attributes:
      preprocessing: how a photo becomes such an image.
      slot: shape of the array; images that are smaller lie in its top left corner.
      fills_slot: every image fills its slot, so that no sizes are asked for.
    """

    preprocessing: Preprocessing
    slot: Slot
    fills_slot: bool


@dataclass(frozen=True, kw_only=True)
class Program:
    """A function of arrays whose first axis is the batch.

    Attributes:
      function: maps (variables, arrays in the order of `inputs`) to one array.
      variables: parameters, nested dicts.
      inputs: name to (shape without the batch, dtype).
      output: name of the result.
    """

    function: Callable[..., jax.Array]
    variables: dict[str, Any]
    inputs: dict[str, tuple[tuple[int, ...], np.dtype]]
    output: str

    def shapes(self) -> list[jax.ShapeDtypeStruct]:
        """Returns the inputs with a batch of any size from 1 on."""
        (batch,) = export.symbolic_shape(BATCH, constraints=[f"{BATCH} >= 1"])
        return [
            jax.ShapeDtypeStruct((batch, *shape), dtype)
            for shape, dtype in self.inputs.values()
        ]

    def output_shape(self) -> tuple[int, ...]:
        """Returns the shape of the result without the batch."""
        ones = [
            jax.ShapeDtypeStruct((1, *shape), dtype)
            for shape, dtype in self.inputs.values()
        ]
        return jax.eval_shape(self.function, self.variables, *ones).shape[1:]


def image_inputs(model: ImageModel, slot: Slot | None = None) -> list[ImageInput]:
    """Returns what the exported model wants to see, one entry a scale.

    Args:
      model: to export.
      slot: height and width of the array at the first scale, to which those of other
        scales are in proportion; None takes the square that holds every image.

    Raises:
      InputError: the slot is too small for the model, or must be given because
        resizing by the shortest side leaves the longest unbounded.
    """
    first = model.preprocessing
    fixed = first.crop_px or (first.size_px if first.resize == "square" else None)
    if fixed is not None and slot not in (None, (fixed, fixed)):
        raise InputError(
            f"--slot: every image of this model is {fixed}x{fixed} px, so no other "
            "slot can be chosen; leave it away"
        )
    if fixed is None and slot is None and first.resize == "shortest":
        raise InputError(
            "this model resizes the shortest side and so makes images of any length. "
            "Say how large the longest may be: --slot HEIGHTxWIDTH"
        )
    return [_input(model, scale, slot) for scale in model.scales]


def _input(model: ImageModel, scale: float, slot: Slot | None) -> ImageInput:
    first = model.preprocessing
    size_px = round(scale * first.size_px)
    preprocessing = dataclasses.replace(first, size_px=size_px)
    if first.crop_px is not None or first.resize == "square":
        side = first.crop_px or size_px
        return ImageInput(
            preprocessing=preprocessing, slot=(side, side), fills_slot=True
        )
    sides = (size_px, size_px) if slot is None else (round(scale * n) for n in slot)
    height, width = (-(-n // MULTIPLE_PX) * MULTIPLE_PX for n in sides)
    longest, shortest = max(height, width), min(height, width)
    needed = longest if first.resize == "longest" else shortest
    if needed < size_px or shortest < SMALLEST_SLOT_PX:
        raise InputError(
            f"--slot: no image of {size_px} px fits into {height}x{width} px. At scale "
            f"1 the {first.resize} side has {first.size_px} px; give a slot that holds "
            "it, or leave it away"
        )
    return ImageInput(
        preprocessing=preprocessing, slot=(height, width), fills_slot=False
    )


def image_program(model: ImageModel, inputs: list[ImageInput]) -> Program:
    """Returns the program from pixels to descriptors, in float32.

    Args:
      model: to export.
      inputs: of `image_inputs`.

    Returns:
      A program of "images" uint8 [B, H, W, 3] and, unless they fill their slots,
      "valid" int32 [B, 2], for each scale after the first with "_2", "_3", … to
      "descriptors" float32 [B, D].
    """
    backbone = model.module.backbone.clone(dtype=jnp.float32)
    module = model.module.clone(backbone=backbone)
    arrays: dict[str, tuple[tuple[int, ...], np.dtype]] = {}
    for number, entry in enumerate(inputs, start=1):
        suffix = f"_{number}" * (number > 1)
        arrays[f"images{suffix}"] = ((*entry.slot, 3), np.dtype(np.uint8))
        if not entry.fills_slot:
            arrays[f"valid{suffix}"] = ((2,), np.dtype(np.int32))

    def describe(variables, *given):
        rest, vectors = list(given), []
        for entry in inputs:
            images = rest.pop(0)
            valid = None if entry.fills_slot else rest.pop(0)
            vectors.append(module.apply(variables, images, valid))
        return vectors[0] if len(vectors) == 1 else l2_normalise(_sum(vectors))

    return Program(
        function=describe,
        variables=model.variables,
        inputs=arrays,
        output="descriptors",
    )


def _sum(vectors: list[jax.Array]) -> jax.Array:
    total = vectors[0]
    for vector in vectors[1:]:
        total = total + vector
    return total


def similarity_program(model: SimilarityModel) -> Program:
    """Returns the program from pairs of descriptors to scores, in float32.

    It takes "queries" and "images", float32 [B, D], and gives "scores", float32 [B].
    """
    network = model.network.clone(dtype=jnp.float32)
    vectors = ((network.dim,), np.dtype(np.float32))

    def score(variables, queries, images):
        scores: Any = network.apply(variables, queries, images)
        return scores

    return Program(
        function=score,
        variables=model.variables,
        inputs={"queries": vectors, "images": vectors},
        output="scores",
    )
