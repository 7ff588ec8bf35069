"""Descriptors of published benchmarks, in the files their authors share.

Read from .npy, .npz, MATLAB's .mat, and pickles, without running what is in them.
Descriptors may stand in rows or in columns; which, is told by how many images the
ground truth has.

Source: the releases of Radenović et al. 2018, Iscen et al. 2017 and Liu et al. 2019.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from jaxtyping import Float32

from jaxsim.core.errors import InputError
from jaxsim.core.pickles import ARRAYS, CONTAINERS, restricted_load
from jaxsim.data.ground_truth import GroundTruth
from jaxsim.data.records import Record, RetrievalSet

SUFFIXES = (".npy", ".npz", ".mat", ".pkl")
_INDEX_NAMES = ("X", "vecs", "database")
_QUERY_NAMES = ("Q", "qvecs", "queries")


@dataclass(frozen=True, kw_only=True)
class PublishedDescriptors:
    """Where the descriptors of a published set are.

    Attributes:
      truth: the ground truth, which names the images.
      graded: whether it is judged by easy, hard and junk images.
      index: file of the database's descriptors below the folder given by --data; ""
        if --data is the one file that has both.
      queries: file of the queries' descriptors; "" if the index' file has them, too.
    """

    truth: GroundTruth
    graded: bool
    index: str = ""
    queries: str = ""

    def read(
        self, root: Path
    ) -> tuple[Float32[np.ndarray, "N D"], Float32[np.ndarray, "Q _D"]]:
        """Returns unit descriptors of the database and of the queries.

        Args:
          root: a folder, or a file.

        Raises:
          InputError: a file is missing, damaged or of other images; a descriptor is
            zero or not finite.
        """
        first = root / self.index if self.index else root
        second = root / self.queries if self.queries else first
        database = read_matrix(
            first, rows=len(self.truth.database), names=_INDEX_NAMES, kind="database"
        )
        queries = read_matrix(
            second, rows=len(self.truth.queries), names=_QUERY_NAMES, kind="queries"
        )
        if queries.shape[1] != database.shape[1]:
            raise InputError(
                f"the database has descriptors of {database.shape[1]} dimensions and "
                f"the queries of {queries.shape[1]}. Give files of one model"
            )
        return database, queries

    def retrieval_set(self) -> RetrievalSet:
        """Returns the set, whose images have names but no photos."""
        truth = self.truth
        grades = [{g: list(ids) for g, ids in q.ids.items()} for q in truth.queries]
        database = [_record(name) for name in truth.database]
        # Apart from an image of the database that has its name.
        queries = [_record(f"query {query.name}") for query in truth.queries]
        if self.graded:
            return RetrievalSet(
                name=truth.dataset, database=database, queries=queries, graded=grades
            )
        return RetrievalSet(
            name=truth.dataset,
            database=database,
            queries=queries,
            positives=[grade["ok"] for grade in grades],
            ignored=[grade["junk"] for grade in grades],
        )


def read_matrix(
    path: Path,
    *,
    rows: int,
    names: tuple[str, ...],
    kind: Literal["database", "queries"],
) -> Float32[np.ndarray, "N D"]:
    """Reads one matrix of descriptors and scales them to length 1.

    Args:
      path: .npy, .npz, .mat or .pkl.
      rows: N, how many there must be.
      names: under which it may stand in a file of several arrays.
      kind: what they describe, for errors.

    Raises:
      InputError: the file is missing or damaged, has no such matrix, or one of another
        number of images; a descriptor is zero or not finite.
    """
    if path.suffix not in SUFFIXES:
        raise InputError(
            f"'{path}' is no file of descriptors that can be read; expected one ending "
            f"in {', '.join(SUFFIXES)}"
        )
    try:
        content = _read(path, names)
    except FileNotFoundError:
        raise InputError(f"the descriptors '{path}' do not exist") from None
    except InputError as error:
        raise InputError(f"the descriptors '{path}' cannot be used: {error}") from error
    except Exception as error:  # damaged files raise any type
        raise InputError(
            f"the descriptors '{path}' are damaged ({error!r}). Copy or download the "
            "file again"
        ) from error
    return _unit(_oriented(content, rows, path, kind), path, kind)


def _read(path: Path, names: tuple[str, ...]) -> np.ndarray:
    match path.suffix:
        case ".npy":
            return np.load(path, allow_pickle=False)
        case ".npz":
            with np.load(path, allow_pickle=False) as stored:
                return _named({name: stored[name] for name in stored.files}, names)
        case ".mat":
            from scipy.io import loadmat

            content = loadmat(path)
            return _named(
                {k: v for k, v in content.items() if not k.startswith("__")}, names
            )
        case _:
            with open(path, "rb") as file:
                found = restricted_load(file, {**CONTAINERS, **ARRAYS})
            return np.asarray(
                _named(found, names) if isinstance(found, Mapping) else found
            )


def _named(arrays: Mapping[str, Any], names: tuple[str, ...]) -> np.ndarray:
    known = [name for name in names if name in arrays]
    if not known and len(arrays) == 1:
        known = list(arrays)
    if not known:
        raise InputError(
            f"it holds {', '.join(map(str, arrays))}; expected one of "
            f"{', '.join(names)}"
        )
    return np.asarray(arrays[known[0]])


def _oriented(content: np.ndarray, rows: int, path: Path, kind: str) -> np.ndarray:
    if content.ndim != 2 or content.dtype.kind != "f" or rows not in content.shape:
        raise InputError(
            f"'{path}' holds {content.dtype} of shape {content.shape}; expected one "
            f"descriptor for each of the {rows} {kind} images of the ground truth"
        )
    return content if content.shape[0] == rows else content.T


def _unit(vectors: np.ndarray, path: Path, kind: str) -> np.ndarray:
    vectors = np.ascontiguousarray(vectors, np.float32)
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    wrong = np.flatnonzero(~(np.isfinite(lengths) & (lengths > 0)))
    if len(wrong):
        raise InputError(
            f"the descriptor of row {wrong[0]} of the {kind} in '{path}' is zero or "
            "not finite, so that it has no direction. Describe this image again"
        )
    return vectors / lengths


def _record(name: str) -> Record:
    return Record(name=name, content=Path(name))
