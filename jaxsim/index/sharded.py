"""Exhaustive search with the rows cut over devices, of one process or of several."""

from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import MISSING_ID, Ranking
from jaxsim.core.rows import filled
from jaxsim.index.base import (
    check_k,
    check_vectors,
    largest_block,
    pad_queries,
    padded_size,
    search_in_blocks,
)
from jaxsim.ops.similarity import search_scores
from jaxsim.ops.topk import empty_topk, extend_topk
from jaxsim.parallel.mesh import AXES, batch_sharding, make_mesh, replicated

_EVERYWHERE, _BY_DEVICE = PartitionSpec(), PartitionSpec(AXES)


class ShardedIndex:
    """Finds the rows of largest inner product, each device among its own.

    A device scores its rows block by block and keeps its k best; these lists alone are
    exchanged, and every device merges them. Ids and order are those of `ExactIndex`,
    equal scores by rising id, but for near ties: sums in another order differ in their
    last bits. A device holds its rows with up to a quarter more of zeros (below 8,192
    rows, up to a power of two, at least 256), and the scores of one block.

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
        self._block_rows = padded_size(-(-rows // blocks))
        self._rows = blocks * self._block_rows
        self._blocks = [self._block(vectors, number) for number in range(blocks)]

    def _block(self, vectors: np.ndarray, number: int) -> tuple[jax.Array, jax.Array]:
        """Returns the block of this number of every device, and its first rows' ids."""
        firsts = np.arange(self._mesh.size, dtype=np.int32) * self._rows
        firsts += number * self._block_rows

        def rows_of(at: Any) -> np.ndarray:
            device = at[0].indices(shape[0])[0] // self._block_rows
            own = vectors[firsts[device] : firsts[device] + self._block_rows]
            return filled(own, self._block_rows)

        shape = self._block_rows * self._mesh.size, self._dimension
        layout = batch_sharding(self._mesh)
        return (
            jax.make_array_from_callback(shape, layout, rows_of),
            jax.make_array_from_callback(firsts.shape, layout, firsts.__getitem__),
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
        asked = pad_queries(queries)
        asked = jax.make_array_from_callback(
            asked.shape, replicated(self._mesh), asked.__getitem__
        )
        kept = min(k, self._rows)
        memory, best = self._start(len(asked), kept)
        for rows, first in self._blocks:
            memory, best = self._step(memory, best, rows, first, asked)
        found = jax.device_get(self._merge(best, min(k, kept * self._mesh.size)))
        missing = (0, 0), (0, k - found[0].shape[1])
        return tuple(
            np.pad(part[: len(queries)], missing, constant_values=absent)
            for part, absent in zip(found, (-np.inf, MISSING_ID), strict=True)
        )

    @cached_property
    def _start(self):
        """Makes memory for the scores of one block, and lists of missing results."""

        def start(queries: int, kept: int):
            def of_one():
                memory = jnp.zeros((self._block_rows, queries), jnp.float32)
                return memory, empty_topk(queries, kept)

            return self._on_devices(of_one, (), _BY_DEVICE)()

        return jax.jit(start, static_argnums=(0, 1))

    @cached_property
    def _step(self):
        """Writes each device's scores of a block over `memory`, and keeps the best."""

        def step(memory, best, rows, first, queries):
            live = first + jnp.arange(len(rows)) < self._count
            scores = search_scores(rows, queries)
            return scores, extend_topk(best, scores, first[0], live)

        mapped = self._on_devices(step, (_BY_DEVICE,) * 4 + (_EVERYWHERE,), _BY_DEVICE)
        return jax.jit(mapped, donate_argnums=(0, 1), keep_unused=True)

    @cached_property
    def _merge(self):
        """Exchanges the lists of all devices, and takes the best of them."""

        def merge(best, k: int):
            def of_all(best):
                # Lists stand in the order of their rows, so that ties go to the lowest
                # id.
                scores, ids = (
                    jax.lax.all_gather(part, AXES, axis=1, tiled=True) for part in best
                )
                found, at = jax.lax.top_k(scores, k)
                return found, jnp.take_along_axis(ids, at, 1)

            return self._on_devices(of_all, (_BY_DEVICE,), _EVERYWHERE)(best)

        return jax.jit(merge, static_argnums=1)

    def _on_devices(self, function, in_specs, out_specs):
        return jax.shard_map(
            function,
            mesh=self._mesh,
            in_specs=in_specs,
            out_specs=out_specs,
            # That all devices have merged the same lists is not seen by itself.
            check_vma=False,
        )
