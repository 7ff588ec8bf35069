"""What PyTorch writes for a tensor: a view of a storage that is kept elsewhere."""

import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from operator import index
from typing import Any

import jax.numpy as jnp
import numpy as np

from jaxsim.core.errors import WeightsError
from jaxsim.core.pickles import ARRAYS, CONTAINERS, Allowed

DTYPES: Mapping[str, np.dtype] = {
    "Double": np.dtype(np.float64),
    "Float": np.dtype(np.float32),
    "Half": np.dtype(np.float16),
    "BFloat16": np.dtype(jnp.bfloat16),
    "Long": np.dtype(np.int64),
    "Int": np.dtype(np.int32),
    "Short": np.dtype(np.int16),
    "Char": np.dtype(np.int8),
    "Byte": np.dtype(np.uint8),
    "Bool": np.dtype(np.bool_),
}


class _Sealed:
    """Something that a pickle may make, but not set attributes of."""

    def __setstate__(self, state: Any) -> None:
        raise WeightsError("its pickle changes tensors in a way that is not read.")


@dataclass
class Storage(_Sealed):
    """A run of numbers that tensors share; `array` is filled in after unpickling."""

    dtype: np.dtype
    size: int
    array: np.ndarray | None = None

    def fill(self, raw: bytes, byteorder: str) -> None:
        """Sets the numbers from their bytes.

        Raises:
          WeightsError: the bytes are not as many as announced.
        """
        if len(raw) != self.size * self.dtype.itemsize:
            raise WeightsError(
                f"its storage of {self.size} {self.dtype} numbers has {len(raw)} bytes."
            )
        array = np.frombuffer(raw, self.dtype)
        self.array = array if byteorder == sys.byteorder else array.byteswap()


class Storages(dict[str, Storage]):
    """The storages that a pickle refers to, by their key in the file."""

    def refer(self, reference: tuple) -> Storage:
        """Returns the storage for a pickle's persistent id.

        Raises:
          WeightsError: it is not the id of a storage, or contradicts another one.
        """
        # ("storage", type, key, device, size), and in old files a view, always None.
        kind, storage_type, key, _, size, *view = reference
        if kind != "storage" or any(part is not None for part in view):
            raise WeightsError(f"references of the kind {reference} are not read.")
        new = Storage(DTYPES[storage_type()], index(size))
        storage = self.setdefault(key, new)
        if (storage.dtype, storage.size) != (new.dtype, new.size):
            raise WeightsError(f"it gives the storage {key} two types or sizes.")
        return storage


@dataclass(frozen=True)
class Tensor(_Sealed):
    """A strided view of a storage; counts in numbers, not bytes."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]

    def array(self) -> np.ndarray:
        """Returns the tensor, contiguous; it shares memory with its storage if it can.

        Raises:
          WeightsError: the view leaves its storage, or repeats numbers of it.
        """
        numbers, size = self.storage.array, self.storage.size
        steps = list(zip(self.shape, self.stride, strict=True))
        last = self.offset + sum((n - 1) * step for n, step in steps)
        empty = 0 in self.shape
        if (
            numbers is None
            or min((self.offset, *self.shape, *self.stride)) < 0
            or (last >= size and not empty)
        ):
            raise WeightsError(
                f"its tensor of shape {self.shape}, strides {self.stride} and offset "
                f"{self.offset} does not fit its storage of {size} numbers."
            )
        if math.prod(self.shape) > size:
            raise WeightsError(
                f"its tensor of shape {self.shape} repeats the {size} numbers of its "
                "storage; save it after .contiguous()."
            )
        if empty:
            return np.empty(self.shape, numbers.dtype)
        view = np.lib.stride_tricks.as_strided(
            numbers[self.offset :],
            self.shape,
            [step * numbers.itemsize if n > 1 else 0 for n, step in steps],
            writeable=False,
        )
        return np.asarray(view, order="C")


def _tensor(
    storage: Storage, offset: int, shape: tuple, stride: tuple, *_: Any
) -> Tensor:
    return Tensor(
        storage, index(offset), tuple(map(index, shape)), tuple(map(index, stride))
    )


def _parameter(tensor: Tensor, *_: Any) -> Tensor:
    return tensor


def _name(name: str) -> str:
    return name


TENSORS: Allowed = {
    **CONTAINERS,
    **ARRAYS,
    ("torch", "Size"): tuple,
    ("torch._utils", "_rebuild_tensor"): _tensor,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): _parameter,
    **{("torch", f"{name}Storage"): partial(_name, name) for name in DTYPES},
}
"""The only names a weight file may ask for."""
