"""What every index can do, and the checks before any of it."""

from collections.abc import Callable
from typing import Protocol, runtime_checkable

import jax
import numpy as np
from jaxtyping import Float32, Int64

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import Ranking
from jaxsim.core.rows import filled

BLOCK_QUERIES = 256
PADDED_ROWS = 8192
SMALLEST_BLOCK = 256


@runtime_checkable
class Index(Protocol):
    """Descriptors that can be searched; ids are row numbers and never change."""

    @property
    def dimension(self) -> int:
        """Length of a descriptor."""
        ...

    def __len__(self) -> int:
        """Returns the number of rows that can be found."""
        ...

    def search(self, queries: np.ndarray, k: int) -> Ranking:
        """Returns the k most similar rows of each query.

        Args:
          queries: float32 [Q, D], finite.
          k: >= 1; results beyond the last row are missing (id -1, score -inf).

        Raises:
          InputError: the queries or k cannot be used.
        """
        ...

    def add(self, vectors: np.ndarray) -> Int64[np.ndarray, " M"]:
        """Appends descriptors and returns their ids.

        Raises:
          InputError: wrong shape or type, NaN or infinite values.
        """
        ...

    def delete(self, ids: np.ndarray) -> None:
        """Hides rows from all later searches; deleting twice is no error.

        Raises:
          InputError: there never was such a row.
        """
        ...


def check_vectors(
    vectors: np.ndarray, dimension: int, what: str
) -> Float32[np.ndarray, "M D"]:
    """Returns the vectors as numpy if an index can use them.

    Args:
      vectors: to be checked, [M, D].
      dimension: the index's D.
      what: how to call them in a message, such as "queries".

    Raises:
      InputError: wrong shape or type, NaN or infinite values; names the rows.
    """
    vectors = np.asarray(vectors)
    if vectors.ndim != 2 or vectors.shape[1] != dimension:
        raise InputError(
            f"the {what} have shape {list(vectors.shape)}, but this index needs "
            f"[rows, {dimension}]. Use descriptors of the model that built it; a "
            "single one as vector[None]."
        )
    if vectors.dtype != np.float32:
        raise InputError(
            f"the {what} are {vectors.dtype}, but an index needs float32. Convert "
            "them with .astype(numpy.float32)."
        )
    bad = np.flatnonzero(~row_is_finite(vectors))
    if len(bad):
        shown = ", ".join(map(str, bad[:10])) + (", …" if len(bad) > 10 else "")
        raise InputError(
            f"{len(bad)} of {len(vectors)} {what} hold NaN or infinite values (rows "
            f"{shown}). Look for broken images or damaged weights, and leave these "
            "rows out."
        )
    return vectors


def row_is_finite(vectors: np.ndarray, block_rows: int = 65536) -> np.ndarray:
    """Returns bool [M], block by block so that memory stays small."""
    finite = np.empty(len(vectors), bool)
    for start in range(0, len(vectors), block_rows):
        block = slice(start, start + block_rows)
        finite[block] = np.isfinite(vectors[block]).all(axis=1)
    return finite


def check_k(k: int) -> None:
    """Raises InputError unless k asks for at least one result."""
    if k < 1:
        raise InputError(f"k is {k}, but a search returns at least 1 result")


def next_power_of_two(count: int) -> int:
    """Returns the smallest power of two that is not below a count, at the least 1."""
    return 1 << max(count - 1, 0).bit_length()


def pad_queries(queries: Float32[np.ndarray, "Q D"]) -> Float32[np.ndarray, "P D"]:
    """Appends rows of zeros up to a power of two, so that few programs are compiled."""
    return filled(queries, next_power_of_two(len(queries)))


def largest_block(dimension: int) -> int:
    """Returns how many rows an exhaustive search scores at once.

    A CPU selects from scores that are still in its caches. An accelerator idles at the
    start of each block, so that only memory limits them.

    Args:
      dimension: of the rows, float32.
    """
    most_rows, most_bytes = 98_304, 256 << 20
    if jax.default_backend() != "cpu":
        most_rows, most_bytes = 262_144, 1 << 30
    fitting = max(1, most_bytes // (4 * dimension))
    return min(most_rows, max(SMALLEST_BLOCK, 1 << (fitting.bit_length() - 1)))


def padded_size(rows: int) -> int:
    """Returns for how many rows to make a block, so that few programs are compiled.

    A power of two, or above 8,192 that less some eighths of it.

    >>> [padded_size(n) for n in (3, 300, 8192, 98_304, 131_073)]
    [256, 512, 8192, 98304, 163840]
    """
    size = max(SMALLEST_BLOCK, next_power_of_two(rows))
    if size <= PADDED_ROWS:
        return size
    eighth = size // 8
    return -(-rows // eighth) * eighth


def search_in_blocks(
    search_block: Callable[[np.ndarray, int], tuple],
    queries: Float32[np.ndarray, "Q D"],
    k: int,
    rows: int,
) -> Ranking:
    """Searches up to 256 queries at a time.

    Args:
      search_block: from some queries and a number of results to their scores and ids,
        both of that number.
      queries: float32 [Q, D].
      k: results wanted; those beyond the next power of two of `rows` are missing.
      rows: of the index.
    """
    kept = min(k, next_power_of_two(rows))
    ids = np.full((len(queries), k), -1, np.int64)
    scores = np.full((len(queries), k), -np.inf, np.float32)
    for start in range(0, len(queries), BLOCK_QUERIES):
        part = slice(start, min(start + BLOCK_QUERIES, len(queries)))
        scores[part, :kept], ids[part, :kept] = search_block(queries[part], kept)
    return Ranking(ids, scores)
