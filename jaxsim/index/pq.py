"""Exhaustive search of product-quantised vectors, in blocks."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float32, Int32, Int64, UInt8

from jaxsim.core.ranking import Ranking
from jaxsim.core.rows import filled
from jaxsim.index.base import (
    check_k,
    check_vectors,
    next_power_of_two,
    pad_queries,
    search_in_blocks,
)
from jaxsim.index.live_rows import LiveRows
from jaxsim.index.product_quantiser import ProductQuantiser, rotated, tables
from jaxsim.ops.topk import TopK, empty_topk, extend_topk

_BLOCK_ROWS = 16384
_SMALLEST_BLOCK = 256
_PARTS_TOGETHER = 16


@dataclass(frozen=True)
class _Block:
    """Neighbouring rows on the device, filled up to a power of two."""

    first: int
    codes: jax.Array
    live: jax.Array


class PqIndex:
    """Finds the rows whose decoded vectors have the largest inner product.

    The device holds M bytes a row and scores blocks of 16,384 rows for up to 256
    queries; beside them a search needs 16 MiB of scores, twice.

    Args:
      quantiser: trained; queries and rows have its dimension.
      codes: uint8 [N, M], rows to begin with, as `quantiser.encode` gives them.

    Attributes:
      quantiser: as given.
      codes: uint8 [rows, M], those of deleted rows included.
    """

    codes: UInt8[np.ndarray, "N M"]

    def __init__(
        self,
        quantiser: ProductQuantiser,
        codes: UInt8[np.ndarray, "N M"] | None = None,
    ) -> None:
        self.quantiser = quantiser
        self.codes = np.zeros((0, quantiser.code_bytes), np.uint8)
        self._live = LiveRows()
        self._blocks: list[_Block] | None = None
        if codes is not None:
            self._append(codes)

    @property
    def dimension(self) -> int:
        """Length of a descriptor."""
        return self.quantiser.dimension

    def __len__(self) -> int:
        """Returns the number of rows that are not deleted."""
        return len(self._live)

    def search(self, queries: np.ndarray, k: int) -> Ranking:
        """Returns the k rows of largest approximate inner product with each query.

        Args:
          queries: float32 [Q, D], finite; they are not quantised.
          k: >= 1; may exceed the number of rows.

        Raises:
          InputError: the queries or k cannot be used.
        """
        queries = check_vectors(queries, self.dimension, "queries")
        check_k(k)
        return search_in_blocks(self._search_block, queries, k, self._live.total)

    def _search_block(self, queries: np.ndarray, k: int) -> tuple:
        asked = pad_queries(queries)
        turned = rotated(asked, self.quantiser.rotation)
        looked_up = tables(turned, self.quantiser.codebooks)
        best = empty_topk(len(asked), k)
        for block in self._device_blocks():
            first = np.int32(block.first)
            best = _extend(best, looked_up, block.codes, first, block.live)
        return tuple(part[: len(queries)] for part in jax.device_get(best))

    def add(self, vectors: np.ndarray) -> Int64[np.ndarray, " M"]:
        """Encodes descriptors, appends their codes and returns their ids.

        Args:
          vectors: float32 [M, D], finite.

        Raises:
          InputError: wrong shape or type, NaN or infinite values.
        """
        vectors = check_vectors(vectors, self.dimension, "vectors")
        return self._append(self.quantiser.encode(vectors))

    def delete(self, ids: np.ndarray) -> None:
        """Hides rows from all later searches; deleting twice is no error.

        Args:
          ids: int [M], ids given by `add`.

        Raises:
          InputError: there never was such a row.
        """
        self._live.delete(ids)
        self._blocks = None

    def _append(self, codes: UInt8[np.ndarray, "N M"]) -> Int64[np.ndarray, " N"]:
        self.codes = np.concatenate([self.codes, codes])
        self._blocks = None
        return self._live.append(len(codes))

    def _device_blocks(self) -> list[_Block]:
        if self._blocks is None:
            needed = max(_SMALLEST_BLOCK, next_power_of_two(len(self.codes)))
            rows = min(_BLOCK_ROWS, needed)
            self._blocks = [
                _Block(
                    first,
                    jax.device_put(filled(self.codes[first : first + rows], rows)),
                    jax.device_put(filled(self._live.mask[first : first + rows], rows)),
                )
                for first in range(0, len(self.codes), rows)
            ]
        return self._blocks


@partial(jax.jit, donate_argnums=0)
def _extend(
    best: TopK,
    looked_up: Float32[Array, "M 256 Q"],
    codes: UInt8[Array, "B M"],
    first: Int32[Array, ""],
    live: Bool[Array, " B"],
) -> TopK:
    """Adds up what the tables hold of a block of rows, and selects from it."""

    def add(scores, part):
        table, code = part
        found = table.at[code.astype(jnp.int32)].get(mode="promise_in_bounds")
        return scores + found, None

    nothing = jnp.zeros((len(codes), looked_up.shape[2]))
    # Several parts at a time spare the sums of many queries a way through memory.
    together = _PARTS_TOGETHER if looked_up.shape[2] > 1 else 1
    scores, _ = jax.lax.scan(add, nothing, (looked_up, codes.T), unroll=together)
    return extend_topk(best, scores, first, live)
