"""Reading the files of torch.save, without PyTorch and without running them.

Since PyTorch 1.6 such a file is an uncompressed zip archive: data.pkl and one entry
data/KEY for each storage. Before, it was a row of pickles (a magic number, the
protocol, facts about the machine, the object, the keys of the storages) followed by the
storages, each with its length in front.
"""

import io
import os
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jaxsim.core.errors import JaxsimError, WeightsError
from jaxsim.core.pickles import RefusedPickleError, restricted_load
from jaxsim.nn.weights.torch_tensors import TENSORS, Storages, Tensor

MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
NESTED_KEYS = ("state_dict", "model_state_dict", "model", "net", "network", "weights")
"""Where training programs keep the weights in a checkpoint, in order of preference."""
ADVICE = (
    "If you trust the file, save its weights alone, where PyTorch is installed: "
    "torch.save(torch.load(OLD, weights_only=False)['state_dict'], NEW), without "
    "['state_dict'] if it has no such part."
)


def read_torch_file(path: Path) -> dict[str, np.ndarray]:
    """Returns the tensors of a saved state_dict, or of a checkpoint that holds one.

    Args:
      path: a file written by torch.save, of any version since 0.4.

    Raises:
      WeightsError: the file is of another kind, damaged, asks for more than tensors,
        numbers, text and containers, or holds no weights by name.
    """
    try:
        with open(path, "rb") as file:
            tensors = _find_tensors(_read_object(file))
        return {name: tensor.array() for name, tensor in tensors.items()}
    except RefusedPickleError as error:
        raise WeightsError(f"cannot read {path}: {error} {ADVICE}") from error
    except JaxsimError as error:
        raise WeightsError(f"cannot read {path}: {error}") from error
    except Exception as error:  # damaged bytes can raise any type
        raise WeightsError(
            f"cannot read {path}: {error!r}. The file seems damaged: copy or download "
            "it again."
        ) from error


def _read_object(file: io.BufferedIOBase) -> Any:
    start = file.read(16)
    file.seek(0)
    if start[:2] == b"PK":
        return _read_zip(file)
    if start[:1] == b"\x80":
        return _read_legacy(file)
    raise WeightsError(
        f"it starts with {start!r}, as no file of torch.save does. A download may have "
        "brought a web page or a Git LFS pointer instead."
    )


def _read_zip(file: io.BufferedIOBase) -> Any:
    with zipfile.ZipFile(file) as archive:
        entries = {info.filename: info for info in archive.infolist()}
        pickles = [name for name in entries if name.endswith("data.pkl")]
        if len(pickles) != 1:
            raise WeightsError("it is a zip archive, but not one of torch.save.")
        root = pickles[0].removesuffix("data.pkl")

        def read(name: str) -> bytes:
            info = entries.get(root + name)
            if info is None or info.compress_type != zipfile.ZIP_STORED:
                raise WeightsError(f"its part '{name}' is missing or compressed.")
            return archive.read(info)

        storages = Storages()
        saved = restricted_load(
            io.BytesIO(read("data.pkl")), TENSORS, persistent_load=storages.refer
        )
        # Absent in files older than PyTorch 2.1, which were all little-endian.
        known = root + "byteorder" in entries
        byteorder = read("byteorder").decode() if known else "little"
        for key, storage in storages.items():
            storage.fill(read(f"data/{key}"), byteorder)
        return saved


def _read_legacy(file: io.BufferedIOBase) -> Any:
    if restricted_load(file, {}) != MAGIC_NUMBER:
        raise WeightsError("it is a pickle, but not one of torch.save.")
    restricted_load(file, {})  # protocol: 1001 ever since
    restricted_load(file, {})  # sizes of C types on the writing machine
    storages = Storages()
    saved = restricted_load(file, TENSORS, persistent_load=storages.refer)
    keys = restricted_load(file, {})
    if sorted(keys) != sorted(storages):
        raise WeightsError("its storages are not the ones that its tensors use.")
    left = os.fstat(file.fileno()).st_size - file.tell()
    for key in keys:
        storage = storages[key]
        num_bytes = storage.size * storage.dtype.itemsize
        left -= 8 + num_bytes
        if left < 0:
            raise WeightsError("it is cut short. Copy or download it again.")
        if struct.unpack("<q", file.read(8)) != (storage.size,):
            raise WeightsError(f"its storage {key} is not of the announced size.")
        storage.fill(file.read(num_bytes), "little")  # whatever the machine's order
    return saved


def _find_tensors(saved: Any) -> dict[str, Tensor]:
    """Returns the tensors of the object itself or of the first part that has some."""
    if not isinstance(saved, Mapping):
        raise WeightsError(f"it holds a {type(saved).__name__}, not weights by name.")
    for part in (saved, *(saved.get(key) for key in NESTED_KEYS)):
        if isinstance(part, Mapping):
            tensors = {str(k): v for k, v in part.items() if isinstance(v, Tensor)}
            if tensors:
                return tensors
    raise WeightsError(
        f"it holds no tensors by name, only {list(saved)}; expected a state_dict, or "
        f"one under {', '.join(NESTED_KEYS)}."
    )
