"""Reading .safetensors files into numpy, bfloat16 included."""

from collections.abc import Mapping
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from jaxsim.core.errors import MissingExtraError, WeightsError

DTYPES: Mapping[str, np.dtype] = {
    "F64": np.dtype("<f8"),
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype(jnp.bfloat16),
    "I64": np.dtype("<i8"),
    "I32": np.dtype("<i4"),
    "I16": np.dtype("<i2"),
    "I8": np.dtype("i1"),
    "U8": np.dtype("u1"),
    "BOOL": np.dtype("?"),
}


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """Returns every tensor of the file by its name.

    Raises:
      MissingExtraError: the package safetensors is not installed.
      WeightsError: the file is damaged or of another kind, or holds numbers of a type
        that is not read.
    """
    try:
        import safetensors
    except ImportError:
        raise MissingExtraError("safetensors", "safetensors") from None

    # The package's own numpy reader does not know bfloat16.
    try:
        tensors = safetensors.deserialize(path.read_bytes())
    except (safetensors.SafetensorError, OSError) as error:
        raise WeightsError(
            f"cannot read {path}: {error}. Copy or download the file again."
        ) from error
    arrays = {}
    for name, tensor in tensors:
        if tensor["dtype"] not in DTYPES:
            raise WeightsError(
                f"cannot read {path}: '{name}' is of type {tensor['dtype']}; expected "
                f"one of {', '.join(DTYPES)}"
            )
        flat = np.frombuffer(tensor["data"], DTYPES[tensor["dtype"]])
        arrays[name] = flat.reshape(tensor["shape"])
    return arrays
