"""Compressed indexes: trained, written as one .npz, and read back."""

import io
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from jaxtyping import Float32, UInt8

from jaxsim.core.files import atomic_write
from jaxsim.index.faiss_factory import FaissIndex
from jaxsim.index.ivfpq import IvfPqIndex, train_ivfpq
from jaxsim.index.kind import Kind
from jaxsim.index.pq import PqIndex
from jaxsim.index.product_quantiser import ProductQuantiser, train_quantiser

Compressed = PqIndex | IvfPqIndex | FaissIndex

# What reading a damaged archive can raise.
UNREADABLE = (ValueError, KeyError, EOFError, BadZipFile, NotImplementedError)


def train_compressed(kind: Kind, vectors: Float32[np.ndarray, "N D"]) -> Compressed:
    """Trains an index on descriptors, and returns it without rows.

    Args:
      kind: any but exact.
      vectors: float32 [N, D], at most `kind.most_training_rows`.

    Raises:
      InputError: the descriptors do not suit this kind.
      MissingExtraError: faiss is asked for and not installed.
    """
    match kind.name:
        case "faiss":
            return FaissIndex.train(kind.factory, vectors)
        case "ivfpq":
            return train_ivfpq(vectors, lists=kind.lists, code_bytes=kind.code_bytes)
        case _:
            rotate = kind.name == "opq"
            return PqIndex(
                train_quantiser(vectors, code_bytes=kind.code_bytes, rotate=rotate)
            )


def emptied(index: Compressed) -> Compressed:
    """Returns an index as it was trained, without rows."""
    match index:
        case FaissIndex():
            return index.emptied()
        case IvfPqIndex():
            return IvfPqIndex(index.quantiser, index.centres)
        case PqIndex():
            return PqIndex(index.quantiser)


def write_compressed(path: Path, index: Compressed) -> None:
    """Writes what was trained and the codes of all rows; not what was deleted.

    Raises:
      InputError: the disk is full or the folder cannot be written.
    """
    with atomic_write(path) as file:
        np.savez(file, allow_pickle=False, **_arrays(index))


def read_compressed(kind: Kind, data: UInt8[np.ndarray, " B"]) -> Compressed:
    """Reads the bytes that `write_compressed` wrote.

    Args:
      kind: what they must hold.
      data: uint8 [bytes] of the whole file.

    Raises:
      ValueError, KeyError, EOFError, BadZipFile or NotImplementedError
      (`UNREADABLE`): the bytes are damaged or of another kind.
      MissingExtraError: faiss is needed and not installed.
    """
    with np.load(io.BytesIO(data.tobytes()), allow_pickle=False) as stored:
        if kind.name == "faiss":
            return FaissIndex.from_bytes(_array(stored, "faiss", np.uint8, 1))
        codes = _array(stored, "codes", np.uint8, 2)
        quantiser = ProductQuantiser(
            _array(stored, "codebooks", np.float32, 3),
            _array(stored, "rotation", np.float32, 2) if kind.name == "opq" else None,
        )
        size = quantiser.dimension
        fits = codes.shape[1] == quantiser.code_bytes == kind.code_bytes
        fits &= quantiser.rotation is None or quantiser.rotation.shape == (size, size)
        if kind.name != "ivfpq":
            _require(fits)
            return PqIndex(quantiser, codes)
        centres = _array(stored, "centres", np.float32, 2)
        lists = _array(stored, "lists", np.int32, 1)
        fits &= centres.shape == (kind.lists, size) and len(lists) == len(codes)
        _require(fits and not ((lists < 0) | (lists >= kind.lists)).any())
        return IvfPqIndex(quantiser, centres, lists=lists, codes=codes)


def _arrays(index: Compressed) -> dict[str, np.ndarray]:
    if isinstance(index, FaissIndex):
        return {"faiss": index.to_bytes()}
    arrays = {"codes": index.codes, "codebooks": index.quantiser.codebooks}
    if index.quantiser.rotation is not None:
        arrays["rotation"] = index.quantiser.rotation
    if isinstance(index, IvfPqIndex):
        arrays |= {"centres": index.centres, "lists": index.lists}
    return arrays


def _array(stored, name: str, dtype: type, ndim: int) -> np.ndarray:
    array = stored[name]
    if array.dtype != dtype or array.ndim != ndim:
        raise ValueError(f"'{name}' holds {array.dtype} {list(array.shape)}")
    return array


def _require(fits: bool) -> None:
    if not fits:
        raise ValueError("its arrays do not fit each other")
