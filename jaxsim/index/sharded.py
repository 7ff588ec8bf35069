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
    largest_block,
    next_power_of_two,
    pad_queries,
    search_in_blocks,
)
from jaxsim.ops.similarity import search_scores
from jaxsim.ops.topk import empty_topk, extend_topk
from jaxsim.parallel.mesh import AXES, batch_sharding, make_mesh, replicated

_ROUND_ROWS = 8192


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
        blocks = -(-rows // largest_block(self._dimension))
        self._block_rows = _round_rows(-(-rows // blocks))
        self._rows = blocks * self._block_rows
        self._blocks = tuple(self._block(vectors, n) for n in range(blocks))

    def _block(self, vectors: np.ndarray, number: int) -> jax.Array:
        """Returns the block of this number of every device, one after the other."""
        shape = self._block_rows * self._mesh.size, self._dimension

        def part(at: Any) -> np.ndarray:
            device = at[0].indices(shape[0])[0] // self._block_rows
            start = device * self._rows + number * self._block_rows
            own = vectors[start : start + self._block_rows]
            return np.pad(own, ((0, self._block_rows - len(own)), (0, 0)))

        return jax.make_array_from_callback(shape, batch_sharding(self._mesh), part)

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
        asked = pad_queries(queries)
        asked = jax.make_array_from_callback(
            asked.shape, replicated(self._mesh), asked.__getitem__
        )
        best = jax.device_get(self._program(k, self._blocks, asked))
        return tuple(part[: len(queries)] for part in best)

    @cached_property
    def _program(self):
        everywhere, by_row = PartitionSpec(), PartitionSpec(AXES)

        def search(k: int, blocks, queries):
            return jax.shard_map(
                partial(self._search_own, k),
                mesh=self._mesh,
                in_specs=(by_row, everywhere),
                out_specs=everywhere,
                # That all devices have merged the same lists is not seen by itself.
                check_vma=False,
            )(blocks, queries)

        return jax.jit(search, static_argnums=0)

    def _search_own(self, k: int, blocks: tuple, queries: jax.Array) -> tuple:
        """Searches the rows of one device, and merges what all have found."""
        first = jax.lax.axis_index(AXES) * self._rows
        best = empty_topk(len(queries), min(k, self._rows))
        for number, rows in enumerate(blocks):
            start = first + number * self._block_rows
            live = start + jnp.arange(len(rows)) < self._count
            best = extend_topk(best, search_scores(rows, queries), start, live)
            # One block after the other, so that there is memory for scores of one.
            best, queries = jax.lax.optimization_barrier((best, queries))
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


def _round_rows(rows: int) -> int:
    """Returns more rows, so that lengths alike compile to one program."""
    if rows < _ROUND_ROWS:
        return next_power_of_two(rows)
    return -(-rows // _ROUND_ROWS) * _ROUND_ROWS
