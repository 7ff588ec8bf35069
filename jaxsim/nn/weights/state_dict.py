"""Reading the named arrays of a weight file, whatever its format."""

from pathlib import Path

import numpy as np

from jaxsim.core.errors import WeightsError
from jaxsim.nn.weights.safetensors_file import read_safetensors
from jaxsim.nn.weights.torch_file import read_torch_file

TORCH_SUFFIXES = (".pth", ".pt", ".bin", ".tar", ".ckpt")


def read_state_dict(path: str | Path) -> dict[str, np.ndarray]:
    """Reads weights by name.

    Files of PyTorch are read without it and without running anything in them: a pickle
    that asks for more than tensors and plain containers is refused.

    Args:
      path: .pth, .pt, .bin, .tar or .ckpt of torch.save (a state_dict, or a checkpoint
        that holds one as "state_dict", "model", …), .safetensors or .npz.

    Returns:
      Foreign parameter name to array, in the file's order and number types. Arrays may
      be read-only.

    Raises:
      WeightsError: the file is absent, of another kind, damaged, or unsafe.
      MissingExtraError: .safetensors without the package safetensors.
    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(f"the weight file {path} does not exist or is no file")
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    if path.suffix == ".npz":
        return _read_npz(path)
    if path.suffix in TORCH_SUFFIXES:
        return read_torch_file(path)
    raise WeightsError(
        f"{path} is no weight file that can be read; expected a file ending in "
        f"{', '.join(TORCH_SUFFIXES)}, .safetensors or .npz"
    )


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            return dict(arrays)
    except Exception as error:  # damaged archives raise any type
        raise WeightsError(
            f"cannot read {path}: {error}. Expected arrays of numbers saved by "
            "numpy.savez; copy or save the file again."
        ) from error
