"""Any index that faiss makes from a factory string, behind our contract."""

import re

import numpy as np
from jaxtyping import Int64, UInt8

from jaxsim.core.errors import InputError, MissingExtraError
from jaxsim.core.ranking import Ranking
from jaxsim.index.base import check_k, check_vectors
from jaxsim.index.live_rows import LiveRows

# Most lengths of parts that a factory string asks for divide it.
_TRIAL_DIMENSION = 7680
_ADDED_AT_ONCE = 65536


class FaissIndex:
    """An index of faiss, searched by inner product.

    faiss numbers rows as they come, and not all of its indexes can delete; deleted
    rows are left out of its answers here, asking it for more until enough are live.

    Args:
      index: of faiss, trained, its metric the inner product.

    Raises:
      InputError: another metric.
    """

    def __init__(self, index) -> None:
        import faiss

        if index.metric_type != faiss.METRIC_INNER_PRODUCT:
            raise InputError(
                f"faiss' {type(index).__name__} does not search by inner product, as "
                "descriptors are compared. Choose another factory string, such as "
                "faiss:IVF1024,PQ64"
            )
        self._index = index
        self._live = LiveRows()
        self._live.append(index.ntotal)

    @classmethod
    def train(cls, factory: str, vectors: np.ndarray) -> "FaissIndex":
        """Makes an empty index and trains it.

        Args:
          factory: of `faiss.index_factory`, such as "IVF1024,PQ64".
          vectors: float32 [N, D] to train on.

        Raises:
          MissingExtraError: faiss is not installed.
          InputError: faiss does not know the string, or cannot train on so few.
        """
        index = _made(factory, vectors.shape[1])
        try:
            index.train(np.ascontiguousarray(vectors))
        except RuntimeError as error:
            raise InputError(
                f"faiss cannot train '{factory}' on {len(vectors)} descriptors: "
                f"{_reason(error)}. Index more images, or choose fewer lists"
            ) from error
        return cls(index)

    @classmethod
    def from_bytes(cls, data: UInt8[np.ndarray, " B"]) -> "FaissIndex":
        """Reads what `to_bytes` gave.

        Raises:
          MissingExtraError: faiss is not installed.
          ValueError: faiss cannot read it.
        """
        faiss = _faiss()
        try:
            return cls(faiss.deserialize_index(data))
        except RuntimeError as error:
            raise ValueError(_reason(error)) from error

    def to_bytes(self) -> UInt8[np.ndarray, " B"]:
        """Returns the index as faiss writes it, deletions left out."""
        return _faiss().serialize_index(self._index)

    def emptied(self) -> "FaissIndex":
        """Returns the index as it was trained, without rows."""
        index = _faiss().clone_index(self._index)
        index.reset()
        return FaissIndex(index)

    @property
    def dimension(self) -> int:
        """Length of a descriptor."""
        return self._index.d

    def __len__(self) -> int:
        """Returns the number of rows that are not deleted."""
        return len(self._live)

    def set_probes(self, probes: int) -> None:
        """Chooses how many lists a search looks into.

        Raises:
          InputError: the index has no lists.
        """
        try:
            _faiss().ParameterSpace().set_index_parameter(self._index, "nprobe", probes)
        except RuntimeError as error:
            raise InputError(
                "--nprobe: this faiss index has no lists to choose from. Leave it away"
            ) from error

    def search(self, queries: np.ndarray, k: int) -> Ranking:
        """Returns what faiss finds, deleted rows left out; equal scores by rising id.

        Which of equal rows are left out at the end is faiss' choice.

        Args:
          queries: float32 [Q, D], finite.
          k: >= 1; results that faiss does not find are missing.

        Raises:
          InputError: the queries or k cannot be used.
        """
        queries = np.ascontiguousarray(
            check_vectors(queries, self.dimension, "queries")
        )
        check_k(k)
        asked_for, total = k, self._live.total
        while True:
            scores, ids = self._index.search(queries, min(asked_for, max(total, 1)))
            live = (
                (ids >= 0) & self._live.mask[ids] if total else np.zeros_like(ids, bool)
            )
            done = (live.sum(axis=1) >= k) | (ids[:, -1] < 0)
            if done.all() or asked_for >= total:
                break
            asked_for *= 4
        return Ranking.from_scores(np.where(live, ids, -1), scores, k).widened(k)

    def add(self, vectors: np.ndarray) -> Int64[np.ndarray, " M"]:
        """Appends descriptors and returns their ids.

        Args:
          vectors: float32 [M, D], finite.

        Raises:
          InputError: wrong shape or type, NaN or infinite values.
        """
        vectors = check_vectors(vectors, self.dimension, "vectors")
        for start in range(0, len(vectors), _ADDED_AT_ONCE):
            part = vectors[start : start + _ADDED_AT_ONCE]
            self._index.add(np.ascontiguousarray(part))
        return self._live.append(len(vectors))

    def delete(self, ids: np.ndarray) -> None:
        """Hides rows from all later searches; deleting twice is no error.

        Args:
          ids: int [M], ids given by `add`.

        Raises:
          InputError: there never was such a row.
        """
        self._live.delete(ids)


def check_factory(factory: str, dimension: int | None = None) -> None:
    """Checks a factory string before any work.

    Args:
      factory: of `faiss.index_factory`.
      dimension: length of the descriptors; None tries one that most parts divide.

    Raises:
      MissingExtraError: faiss is not installed.
      InputError: faiss does not know the string, or it does not fit the dimension.
    """
    FaissIndex(_made(factory, dimension or _TRIAL_DIMENSION))


def _made(factory: str, dimension: int):
    faiss = _faiss()
    try:
        return faiss.index_factory(dimension, factory, faiss.METRIC_INNER_PRODUCT)
    except RuntimeError as error:
        raise InputError(
            f"faiss makes no index of {dimension} components from '{factory}': "
            f"{_reason(error)}. Its strings are such as Flat, PQ64, IVF1024,PQ64, "
            "HNSW32"
        ) from error


def _faiss():
    try:
        import faiss
    except ImportError as error:
        raise MissingExtraError("faiss-cpu", "faiss") from error
    return faiss


def _reason(error: RuntimeError) -> str:
    """Returns what an error of faiss says, without its place in the source."""
    return re.split(r"\.(?:cpp|h):\d+: ", str(error).strip())[-1].strip()
