"""Exhaustive search with the rows cut over devices, of one process or of several."""

from functools import cached_property, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import Ranking
from jaxsim.index.base import (
    check_k,
    check_vectors,
    next_power_of_two,
    search_in_blocks,
)
from jaxsim.ops.similarity import inner_product
from jaxsim.ops.topk import empty_topk, extend_topk
from jaxsim.parallel.mesh import AXES, batch_sharding, make_mesh, replicated

_BLOCK_ROWS = 8192
_BLOCKS_OF_K = 8


class ShardedIndex:
    """Finds the rows of largest inner product, each device among its own.

    A device scores its rows block by block and keeps its k best; these lists alone are
    exchanged, and every device merges them. Ids and order are those of `ExactIndex`:
    equal scores by rising id.

    Args:
      vectors: float32 [N, D], finite, N >= 1; the same in all processes of the mesh,
        each of which sends its own rows to its devices.
      mesh: the devices; by default all of this process. All processes of a mesh must
        search together, for the same queries.

    Raises:
      InputError: wrong shape or type, NaN or infinite values, or no rows.
    """

    def __init__(self, vectors: np.ndarray, *, mesh: Mesh | None = None) -> None:
        if np.ndim(vectors) != 2 or not np.size(vectors):
            raise InputError(
                "an index over devices is made of vectors [N, D], N and D >= 1; got "
                f"{np.shape(vectors)}"
            )
        vectors = check_vectors(vectors, vectors.shape[1], "vectors")
        self._count, self._dimension = vectors.shape
        self._mesh = make_mesh(jax.local_devices()) if mesh is None else mesh
        rows = -(-self._count // self._mesh.size)
        self._rows = (
            next_power_of_two(rows)
            if rows < _BLOCK_ROWS
            else -(-rows // _BLOCK_ROWS) * _BLOCK_ROWS
        )
        shape = self._rows * self._mesh.size, self._dimension

        def part(at: Any) -> np.ndarray:
            start, stop, _ = at[0].indices(shape[0])
            own = vectors[start:stop]
            return np.pad(own, ((0, stop - start - len(own)), (0, 0)))

        self._vectors = jax.make_array_from_callback(
            shape, batch_sharding(self._mesh), part
        )

    @property
    def dimension(self) -> int:
        """Length of a descriptor."""
        return self._dimension

    def __len__(self) -> int:
        """Returns the number of rows."""
        return self._count

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
        return search_in_blocks(self._search_block, queries, k, self._count)

    def _search_block(self, queries: np.ndarray, k: int) -> tuple:
        count = len(queries)
        padding = next_power_of_two(count) - count
        asked = np.pad(queries, ((0, padding), (0, 0)))
        asked = jax.make_array_from_callback(
            asked.shape, replicated(self._mesh), asked.__getitem__
        )
        scores, ids = self._program(k, self._vectors, asked)
        return np.asarray(scores)[:count], np.asarray(ids)[:count]

    @cached_property
    def _program(self):
        everywhere, by_row = PartitionSpec(), PartitionSpec(AXES)

        def search(k: int, vectors, queries):
            return jax.shard_map(
                partial(self._search_own, k),
                mesh=self._mesh,
                in_specs=(by_row, everywhere),
                out_specs=everywhere,
                # That all devices have merged the same lists is not seen by itself.
                check_vma=False,
            )(vectors, queries)

        return jax.jit(search, static_argnums=0)

    def _search_own(self, k: int, vectors: jax.Array, queries: jax.Array) -> tuple:
        """Searches the rows of one device, and merges what all have found."""
        first = jax.lax.axis_index(AXES) * self._rows
        kept = min(k, self._rows)
        block_rows = min(self._rows, _BLOCK_ROWS)
        if kept * _BLOCKS_OF_K > block_rows:
            block_rows = self._rows
        blocks = vectors.reshape(-1, block_rows, self.dimension)

        def extend(best, block):
            at, rows = block
            start = first + at * block_rows
            live = start + jnp.arange(block_rows) < self._count
            scores = inner_product(rows, queries)
            return extend_topk(best, scores, start, live), None

        best, _ = jax.lax.scan(
            extend, empty_topk(len(queries), kept), (jnp.arange(len(blocks)), blocks)
        )
        # Lists stand in the order of their rows, so that ties go to the lowest id.
        scores, ids = (
            jax.lax.all_gather(part, AXES, axis=1, tiled=True) for part in best
        )
        found, at = jax.lax.top_k(scores, min(k, scores.shape[1]))
        missing = ((0, 0), (0, k - found.shape[1]))
        return (
            jnp.pad(found, missing, constant_values=-jnp.inf),
            jnp.pad(jnp.take_along_axis(ids, at, 1), missing, constant_values=-1),
        )
