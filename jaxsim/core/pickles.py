"""Reading pickles of strangers: only named functions may be called.

A pickle is a program that can call anything importable. Here every name it asks for is
looked up in a table given by the caller, and everything else is refused before it is
imported. Arrays are rebuilt from their bytes in Python, so that no state written by a
stranger reaches numpy's own unpickling.
"""

import math
import pickle
import pickletools
import re
from collections.abc import Callable, Mapping
from functools import partial
from io import BufferedIOBase
from typing import IO, Any, cast

import numpy as np

from jaxsim.core.errors import InputError, JaxsimError

Allowed = Mapping[tuple[str, str], Callable[..., Any]]
"""(module, name) as written in the pickle -> what is called in its place."""


class RefusedPickleError(InputError):
    """A pickle asks for more than data."""


def restricted_load(
    file: BufferedIOBase,
    allowed: Allowed,
    *,
    persistent_load: Callable[[Any], Any] | None = None,
) -> Any:
    """Unpickles one object that needs nothing but the allowed names.

    Args:
      file: seekable, at the first byte of a pickle; left after its last byte.
      allowed: what may be called, see `Allowed`; `CONTAINERS` and `ARRAYS` are usual
        parts of it.
      persistent_load: turns the pickle's references to outside data into objects;
        without it such references are refused.

    Returns:
      The object. Arrays come as `PickledArray`, to be read with `numpy.asarray`.

    Raises:
      RefusedPickleError: the pickle asks for another name.
      InputError: the pickle is damaged.
    """
    try:
        _check_opcodes(file)
        loader = _Unpickler(file, encoding="latin1")  # text as Python 2 wrote it
        loader.allowed = allowed
        loader.resolve = persistent_load
        return loader.load()
    except JaxsimError:
        raise
    except Exception as error:  # damaged bytes can raise any type
        raise InputError(
            f"the pickle is damaged ({type(error).__name__}: {error}). Copy or "
            "download the file again."
        ) from error


def _check_opcodes(file: BufferedIOBase) -> None:
    """Refuses what the unpickler itself does not ask `find_class` about.

    Extension codes may come from a cache of objects, and a huge memo number makes the
    unpickler allocate a table of that size.
    """
    start, memo = file.tell(), 0
    for opcode, argument, _ in pickletools.genops(cast(IO[bytes], file)):
        if opcode.name in ("EXT1", "EXT2", "EXT4"):
            raise RefusedPickleError(
                "the pickle names objects by extension codes, which are refused "
                "because they could run code."
            )
        if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT"):
            memo = max(memo, cast(int, argument))
    if memo > file.tell() - start:
        raise InputError("the pickle is damaged (memo number out of range).")
    file.seek(start)


class _Unpickler(pickle.Unpickler):
    """Looks every name up in `allowed`."""

    allowed: Allowed
    resolve: Callable[[Any], Any] | None

    def find_class(self, module: str, name: str) -> Any:
        try:
            function = self.allowed[module, name]
        except KeyError:
            raise RefusedPickleError(
                f"the pickle asks to call '{module}.{name}', which is refused because "
                "it is not plain data and could run code."
            ) from None
        # A fresh wrapper each time: what a pickle sets on it is lost with it.
        return partial(function)

    def persistent_load(self, pid: Any) -> Any:
        if self.resolve is None:
            raise RefusedPickleError(
                "the pickle refers to data outside of it, which is refused here."
            )
        return self.resolve(pid)


class PickledDict(dict):
    """A dict in place of an ordered one; drops attributes that were set on it."""

    def __setstate__(self, state: Any) -> None:
        """Called with the attributes, such as the `_metadata` of PyTorch modules."""


class PickledType:
    """A number type as pickles spell it: a code, then the byte order."""

    def __init__(self, code: str, *_: Any):
        if not re.fullmatch(r"[<>|=]?(b1|[iu][1248]|f[248])", code):
            raise RefusedPickleError(
                f"the pickle holds an array of type '{code}'; only arrays of numbers "
                "are read."
            )
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple) -> None:
        self.dtype = self.dtype.newbyteorder(state[1])


class PickledArray:
    """An array of numbers, rebuilt from its bytes."""

    def __init__(self, *_: Any):
        self.array = np.empty(0)

    def __setstate__(self, state: tuple) -> None:
        _, shape, kind, fortran, raw = state
        self.array = _from_bytes(raw, kind, shape, "F" if fortran else "C")

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        return np.array(self.array, dtype)


def _from_bytes(
    raw: bytes | bytearray | str, kind: PickledType, shape: tuple, order: str
) -> np.ndarray:
    raw = raw.encode("latin1") if isinstance(raw, str) else raw
    if len(raw) != math.prod(shape) * kind.dtype.itemsize:
        raise InputError("the pickle is damaged (array of a wrong size).")
    return np.frombuffer(raw, kind.dtype).reshape(
        shape, order="F" if order == "F" else "C"
    )


def _scalar(kind: PickledType, raw: bytes | str) -> Any:
    return _from_bytes(raw, kind, (), "C")[()]


def _bytes(text: str = "", encoding: str = "latin1") -> bytes:
    """Bytes as protocols 0 to 2 spell them."""
    return text.encode("latin1" if encoding == "latin1" else "utf-8")


CONTAINERS: Allowed = {
    ("collections", "OrderedDict"): PickledDict,
    ("builtins", "set"): set,
    ("__builtin__", "set"): set,
}
"""Containers that pickles have no opcode for, or did not have."""

ARRAYS: Allowed = {
    ("numpy", "ndarray"): PickledArray,
    ("numpy", "dtype"): PickledType,
    ("_codecs", "encode"): _bytes,
    ("__builtin__", "bytes"): _bytes,
} | {
    # numpy 2 renamed the package of its own functions.
    (f"numpy.{core}.{module}", name): function
    for core in ("core", "_core")
    for module, name, function in (
        ("multiarray", "_reconstruct", PickledArray),
        ("multiarray", "scalar", _scalar),
        ("numeric", "_frombuffer", _from_bytes),
    )
}
"""Arrays and scalars of numbers."""
