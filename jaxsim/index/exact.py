"""Exhaustive search: every query against every row, in blocks."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from threading import Lock

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Int64

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import Ranking
from jaxsim.core.rows import filled
from jaxsim.index.base import (
    PADDED_ROWS,
    check_k,
    check_vectors,
    largest_block,
    pad_queries,
    padded_size,
    search_in_blocks,
)
from jaxsim.index.live_rows import LiveRows
from jaxsim.ops.similarity import search_scores
from jaxsim.ops.topk import empty_topk, extend_topk


@dataclass
class _Block:
    """Neighbouring rows, padded so that few shapes are ever compiled.

    `live` is None where no row is to be skipped.
    """

    first: int
    rows: np.ndarray
    padded: np.ndarray | jax.Array
    live: jax.Array | None


class ExactIndex:
    """Finds the rows of largest inner product, exactly.

    Rows stay where they are: on CPU, arrays whose memory starts at a multiple of 64
    bytes (every .npy file mapped into memory does) are searched in place, others are
    copied once. Beside them a search keeps the scores of one block of each size, for
    256 queries x 221,184 rows x 4 bytes at the most, and a padded copy of up to 8,192
    rows; on accelerators for 524,288 rows (more if rows are added in parts), and a
    padded copy of the last block. Searches from several threads wait for each other.

    Args:
      vectors: float32 [N, D], finite; N may be 0.
      on_device: keep the rows in the device's memory. False sends them block by block
        in each search: slower, for collections larger than that memory. Blocks of up
        to 256 MiB are sent to a CPU, of up to 1 GiB to accelerators.

    Raises:
      InputError: wrong shape or type, NaN or infinite values.
    """

    def __init__(self, vectors: np.ndarray, *, on_device: bool = True) -> None:
        if np.ndim(vectors) != 2 or not np.shape(vectors)[1]:
            raise InputError(
                f"an index is made of vectors [N, D], D >= 1; got {np.shape(vectors)}"
            )
        self._dimension = vectors.shape[1]
        self._on_device = on_device
        self._live = LiveRows()
        self._blocks: list[_Block] = []
        self._spare: dict[tuple[int, int], jax.Array] = {}
        self._lock = Lock()
        self.add(vectors)

    @property
    def dimension(self) -> int:
        """Length of a descriptor."""
        return self._dimension

    def __len__(self) -> int:
        """Returns the number of rows that are not deleted."""
        return len(self._live)

    def search(self, queries: np.ndarray, k: int) -> Ranking:
        """Returns the k rows of largest inner product with each query.

        Args:
          queries: float32 [Q, D], finite.
          k: >= 1; may exceed the number of rows.

        Raises:
          InputError: the queries or k cannot be used.
        """
        queries = check_vectors(queries, self.dimension, "queries")
        check_k(k)
        found = search_in_blocks(
            self._search_block, queries, _round_number(k), self._live.total
        )
        return Ranking(found.ids[:, :k], found.scores[:, :k])

    def _search_block(self, queries: np.ndarray, k: int) -> tuple:
        """Scores one block after the other, and keeps the best.

        The memory of scores is used again, for blocks of one size and for every search
        of as many queries: fresh memory of this size costs a CPU more time than the
        selection does, as the operating system clears it page by page.
        """
        asked = jax.device_put(pad_queries(queries))
        best = empty_topk(len(asked), k)
        with self._lock:
            for block in self._blocks:
                shape = len(block.padded), len(asked)
                spare = self._spare.pop(shape, None)
                memory = jnp.zeros(shape, jnp.float32) if spare is None else spare
                first = np.int32(block.first)
                self._spare[shape], best = _step(
                    memory, asked, block.padded, best, first, block.live
                )
                if not self._on_device:  # Rows must leave before others come.
                    jax.block_until_ready(best)
            most = max((queries for _, queries in self._spare), default=0)
            self._spare = {
                shape: scores
                for shape, scores in self._spare.items()
                if shape[1] == most
            }
        return tuple(part[: len(queries)] for part in jax.device_get(best))

    def add(self, vectors: np.ndarray) -> Int64[np.ndarray, " M"]:
        """Appends descriptors and returns their ids.

        Args:
          vectors: float32 [M, D], finite; must not be changed afterwards.

        Raises:
          InputError: wrong shape or type, NaN or infinite values.
        """
        vectors = check_vectors(vectors, self.dimension, "vectors")
        largest = largest_block(self.dimension)
        with self._lock:
            first = self._live.total
            ids = self._live.append(len(vectors))
            if self._blocks and len(self._blocks[-1].rows) <= min(
                PADDED_ROWS, largest - len(vectors)
            ):
                last = self._blocks.pop()
                first, vectors = last.first, np.concatenate([last.rows, vectors])
            for part in _parts(len(vectors), largest):
                self._append_block(first + part.start, vectors[part])
        return ids

    def delete(self, ids: np.ndarray) -> None:
        """Hides rows from all later searches; deleting twice is no error.

        Args:
          ids: int [M], ids given by `add`.

        Raises:
          InputError: there never was such a row.
        """
        with self._lock:
            ids = self._live.delete(ids)
            for block in self._blocks:
                if ((ids >= block.first) & (ids < block.first + len(block.rows))).any():
                    block.live = self._live_rows(block.first, block.rows, block.padded)

    def _append_block(self, first: int, rows: np.ndarray) -> None:
        padded = filled(rows, padded_size(len(rows)))
        if self._on_device:
            padded = jax.device_put(padded)
        live = self._live_rows(first, rows, padded)
        self._blocks.append(_Block(first, rows, padded, live))

    def _live_rows(self, first: int, rows: np.ndarray, padded) -> jax.Array | None:
        live = np.zeros(len(padded), bool)
        live[: len(rows)] = self._live.mask[first : first + len(rows)]
        return None if live.all() else jax.device_put(live)


@partial(jax.jit, donate_argnums=0, keep_unused=True)
def _step(memory, queries, rows, best, first, live):
    """Writes the scores of a block over `memory`, and selects the best of them."""
    scores = search_scores(rows, queries)
    return scores, extend_topk(best, scores, first, live)


def _round_number(k: int) -> int:
    """Returns the next of 1, 2, 5, 10, 20, 50, …, so that few programs are compiled.

    >>> [_round_number(k) for k in (1, 3, 7, 10, 11, 201)]
    [1, 5, 10, 10, 20, 500]
    """
    power = 10 ** (len(str(k)) - 1)
    return next(power * unit for unit in (1, 2, 5, 10) if power * unit >= k)


def _parts(count: int, largest: int) -> Iterator[slice]:
    """Cuts rows into the largest blocks, and a last part to pad.

    On a CPU, which searches rows where they lie, only a small part is padded, and so
    copied: powers of two stand before it.
    """
    start = 0
    on_cpu = jax.default_backend() == "cpu"
    most_padded = min(PADDED_ROWS, largest) if on_cpu else largest
    while (left := count - start) > most_padded:
        size = largest if left >= largest else 1 << (left.bit_length() - 1)
        yield slice(start, start + size)
        start += size
    if start < count:
        yield slice(start, count)
