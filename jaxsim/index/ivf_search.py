"""Scores blocks of quantised rows on the device, and selects the best of each query."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float32, Int32

from jaxsim.index.ivf_plan import Plan
from jaxsim.index.product_quantiser import tables
from jaxsim.ops.similarity import inner_product

Best = tuple[Float32[Array, "Q _K"], Int32[Array, "Q _K"]]

_GROUP = 16


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class ListsOnDevice:
    """Blocks of rows of one list each, and what decodes them.

    Attributes:
      codes: uint8 [blocks, rows, M].
      ids: int32 [blocks, rows], -1 where there is no row.
      lists: int32 [blocks].
      centres: float32 [lists, D].
      codebooks: float32 [M, 256, d].
    """

    codes: jax.Array
    ids: jax.Array
    lists: jax.Array
    centres: jax.Array
    codebooks: jax.Array


@partial(jax.jit, static_argnames="probes")
def nearest_lists(
    queries: Float32[Array, "Q D"], centres: Float32[Array, "C D"], probes: int
) -> Int32[Array, "Q P"]:
    """Returns the lists whose centres have the largest inner product with a query."""
    return jax.lax.top_k(inner_product(queries, centres), probes)[1]


@partial(jax.jit, static_argnames="k")
def best_by_decoding(
    queries: Float32[Array, "Q D"], stored: ListsOnDevice, plan: Plan, *, k: int
) -> Best:
    """Scores all items of a plan: decodes a block, multiplies by those who ask for it.

    Args:
      queries: float32 [Q, D].
      stored: the rows.
      plan: of these queries.
      k: results of each; fewer are returned if its places have fewer rows.

    Returns:
      Scores and ids, sorted; -inf and -1 where there is no row.
    """

    def run(_, items):
        block, asking = items
        scores = jnp.einsum(
            "ind,ird->inr",
            queries[asking],
            _decoded(stored, block),
            precision=jax.lax.Precision.HIGHEST,
        )
        return None, jnp.where((stored.ids[block] >= 0)[:, None], scores, -jnp.inf)

    _, scores = jax.lax.scan(run, None, (plan.blocks, plan.queries))
    scores = scores.reshape(-1, scores.shape[-1])
    best, place, row = _select(scores, jnp.asarray(plan.places), k)
    block = plan.blocks.reshape(-1)[place // plan.queries.shape[-1]]
    return best, jnp.where(jnp.isneginf(best), -1, stored.ids[block, row])


@partial(jax.jit, static_argnames="k")
def best_by_tables(
    queries: Float32[Array, "Q D"],
    stored: ListsOnDevice,
    blocks: Int32[Array, "Q W"] | Int32[np.ndarray, "Q W"],
    *,
    k: int,
) -> Best:
    """Scores the blocks of each query from tables of its products with all centres.

    Args:
      queries: float32 [Q, D].
      stored: the rows.
      blocks: int32 [Q, W], those that each query looks into.
      k: results of each; fewer are returned if its blocks have fewer rows.

    Returns:
      Scores and ids, sorted; -inf and -1 where there is no row.
    """
    blocks = jnp.asarray(blocks)

    def one(asked):
        query, table, block = asked
        codes = stored.codes[block]

        def add(scores, part):
            looked_up, code = part
            found = looked_up.at[code.astype(jnp.int32)].get(mode="promise_in_bounds")
            return scores + found, None

        of_parts = codes.reshape(-1, codes.shape[-1]).T
        nothing = jnp.zeros(of_parts.shape[1])
        scores, _ = jax.lax.scan(add, nothing, (table, of_parts))
        of_lists = inner_product(query[None], stored.centres[stored.lists[block]])
        scores = scores.reshape(codes.shape[:2]) + of_lists.T
        return jnp.where(stored.ids[block] >= 0, scores, -jnp.inf)

    looked_up = tables(queries, stored.codebooks).transpose(2, 0, 1)
    scores = jax.lax.map(one, (queries, looked_up, blocks))
    places = jnp.arange(blocks.size, dtype=jnp.int32).reshape(blocks.shape)
    best, place, row = _select(scores.reshape(blocks.size, -1), places, k)
    block = blocks.reshape(-1)[place]
    return best, jnp.where(jnp.isneginf(best), -1, stored.ids[block, row])


def _select(
    scores: Float32[Array, "P rows"], places: Int32[Array, "Q W"], k: int
) -> tuple[Float32[Array, "Q _K"], Int32[Array, "Q _K"], Int32[Array, "Q _K"]]:
    """Returns the best scores of each query's places, their places and rows there.

    Groups of rows are chosen by their largest score: the k best groups hold the k best
    rows. Fewer than k are returned if the places have fewer.
    """
    rows, (queries, width) = scores.shape[1], places.shape
    k = min(k, rows * width)
    group = _GROUP if rows * width >= 4 * k * _GROUP else 1
    grouped = scores.reshape(-1, group, rows // group)
    maxima = _largest(grouped)[places].reshape(queries, -1)
    chosen = jax.lax.top_k(maxima, k)[1]
    nth, column = jnp.divmod(chosen, rows // group)
    place = jnp.take_along_axis(places, nth, axis=1)
    members = grouped[place, :, column].reshape(queries, -1)
    best, member = jax.lax.top_k(members, k)
    nth, inside = jnp.divmod(member, group)
    column = jnp.take_along_axis(column, nth, axis=1)
    place = jnp.take_along_axis(place, nth, axis=1)
    return best, place, inside * (rows // group) + column


def _decoded(stored: ListsOnDevice, block) -> Float32[Array, "items rows D"]:
    """Returns the rows of some blocks as vectors again."""
    codes = stored.codes[block].astype(jnp.int32)
    parts = jnp.arange(len(stored.codebooks))[None, None]
    found = stored.codebooks.at[parts, codes].get(mode="promise_in_bounds")
    centres = stored.centres[stored.lists[block]]
    return found.reshape(*codes.shape[:2], -1) + centres[:, None]


def _largest(scores: Float32[Array, "P G g"]) -> Float32[Array, "P g"]:
    """Returns the largest of each group; XLA:CPU is slower at the usual maximum."""
    lowest = np.float32(-np.inf)
    return jax.lax.reduce(scores, lowest, lambda a, b: jnp.where(a > b, a, b), (1,))
