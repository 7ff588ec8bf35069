"""A network with its parameters and preprocessing: all that embedding needs."""

import dataclasses
import hashlib
import json
import zlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from zipfile import BadZipFile

import flax.linen as nn
import jax
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxsim.core.errors import IndexFormatError
from jaxsim.core.files import atomic_write
from jaxsim.core.ranking import Comparison
from jaxsim.data.preprocess import Preprocessing
from jaxsim.nn.backbones.pretrained import PARAMETERS_FILE
from jaxsim.nn.classifier import ImageClassifier
from jaxsim.nn.descriptor import Descriptor

CONFIG_FILE = "config.json"
MAKE_AGAIN = "Make the index, or train the model, again into a new folder"
ADDED_LATER = ("proposals",)
"""Fields that say nothing while they are off: models stored before they came keep their
fingerprints."""


@dataclass(frozen=True, kw_only=True)
class ImageModel:
    """A network that can be applied, stored and told from others.

    Attributes:
      module: maps (uint8 images, valid sizes) to descriptors, or to class scores.
      variables: its parameters and statistics, nested dicts of arrays.
      preprocessing: how images become its input.
      scales: the image is described at each of these multiples of the preprocessing
        size, and the unit vectors are summed and normalised again.
      config: JSON from which `experiment` rebuilds the module.
    """

    module: Descriptor | ImageClassifier
    variables: dict
    preprocessing: Preprocessing
    scales: tuple[float, ...] = (1.0,)
    config: str = "{}"

    @cached_property
    def dimension(self) -> int:
        """Number of components of the output."""
        side = self.preprocessing.crop_px or self.preprocessing.size_px
        images = jax.ShapeDtypeStruct((1, side, side, 3), np.uint8)
        return jax.eval_shape(self.module.apply, self.variables, images).shape[-1]

    @property
    def comparison(self) -> Comparison:
        """How two outputs are compared: by distance if they are not unit vectors."""
        return "cosine" if getattr(self.module, "unit", True) else "distance"

    @cached_property
    def fingerprint(self) -> str:
        """32 hex digits that change with anything that changes descriptors."""
        digest = hashlib.blake2b(digest_size=16)
        parts = [_describe(self.module), _describe(self.preprocessing), self.scales]
        digest.update(json.dumps(parts).encode())
        for name, array in sorted(_flat(self.variables).items()):
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def save(self, folder: Path) -> None:
        """Writes the parameters and the config into `folder`, config last."""
        save_variables(folder, self.variables)
        with atomic_write(folder / CONFIG_FILE) as file:
            file.write(self.config.encode())


def _describe(value) -> object:
    """Returns JSON of a nested dataclass, the same under every version of Flax."""
    if not dataclasses.is_dataclass(value):
        return (
            value if isinstance(value, str | int | float | tuple | None) else str(value)
        )
    fields = {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, nn.Module):
        # The compute type is the platform's choice: descriptors made in bfloat16 on a
        # GPU may be searched from a CPU.
        skipped = ("parent", "name", "dtype")
        fields = {
            k: v
            for k, v in fields.items()
            if k not in skipped and not (v is None and k in ADDED_LATER)
        }
    described = {k: _describe(v) for k, v in fields.items()}
    return {"type": type(value).__name__, **described}


# What reading a damaged archive can raise.
_UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    EOFError,
    BadZipFile,
    NotImplementedError,
    RuntimeError,
    zlib.error,
)


def save_variables(folder: Path, variables: dict) -> None:
    """Writes parameters into `folder`, for `load_variables`."""
    with atomic_write(folder / PARAMETERS_FILE) as file:
        np.savez(file, allow_pickle=False, **_flat(variables))


def _flat(variables: dict) -> dict[str, np.ndarray]:
    flat = flatten_dict(variables, sep="/")
    return {name: np.asarray(array) for name, array in flat.items()}


def load_variables(folder: Path) -> dict:
    """Reads the parameters that `save_variables` wrote.

    Raises:
      IndexFormatError: the file is missing or damaged.
    """
    path = folder / PARAMETERS_FILE
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return unflatten_dict({k: stored[k] for k in stored.files}, sep="/")
    except _UNREADABLE as error:
        raise IndexFormatError(
            f"the model's parameters {path} cannot be read ({error}). {MAKE_AGAIN}"
        ) from error
