"""The k largest scores of a database seen in blocks, exactly.

Scores of a block stand as [rows, queries]: so the product reads the rows where they
lie, which on CPU is faster than packing them.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental.layout import Layout, with_layout_constraint
from jaxtyping import Array, Bool, Float32, Int32

from jaxsim.core.ranking import MISSING_ID

TopK = tuple[Float32[Array, "Q _K"], Int32[Array, "Q _K"]]

_GROUP = 8


@partial(jax.jit, static_argnums=(0, 1))
def empty_topk(queries: int, k: int) -> TopK:
    """Returns k missing results for each query: score -inf, id -1."""
    shape = (queries, k)
    missing = jnp.full(shape, MISSING_ID, jnp.int32)
    return jnp.full(shape, -jnp.inf, jnp.float32), missing


def merge_topk(lower: TopK, higher: TopK, k: int) -> TopK:
    """Returns the k best of two lists; equal scores are taken from `lower` first.

    Args:
      lower: scores and ids, [Q, K1], sorted; where scores tie, its ids are the
        smaller ones.
      higher: scores and ids, [Q, K2], in any order but for ties: rising ids.
      k: how many to keep, <= K1 + K2.
    """
    scores, at = jax.lax.top_k(jnp.concatenate([lower[0], higher[0]], axis=1), k)
    ids = jnp.concatenate([lower[1], higher[1]], axis=1)
    return scores, jnp.take_along_axis(ids, at, axis=1)


@jax.jit
def extend_topk(
    best: TopK,
    scores: Float32[Array, "B Q"],
    first_id: Int32[Array, ""] | int,
    live: Bool[Array, " B"] | None = None,
) -> TopK:
    """Returns the best of `best` and one more block of the database.

    Args:
      best: the k best so far, of rows before `first_id`, sorted.
      scores: float32 [B, Q] of the block's rows, without NaN.
      first_id: id of the block's first row.
      live: bool [B], False for rows to skip; None takes all.
    """
    k = best[0].shape[1]
    # `lax.top_k` takes 0 for larger than -0.
    scores = jnp.where(scores == 0, np.float32(0), scores)
    if live is not None:
        scores = jnp.where(live[:, None], scores, -jnp.inf)
    found, positions = _candidates(scores, k, best[0][:, -1:])
    ids = jnp.where(jnp.isneginf(found), MISSING_ID, positions + first_id)
    return merge_topk(best, (found, ids), k)


def _candidates(scores: Array, k: int, floor: Array) -> tuple[Array, Array]:
    """Returns scores and positions that hold the k best of each column above a floor.

    They are [Q, C], by rising position; -inf stands in place of scores not wanted. The
    fewer are wanted, the faster `lax.top_k` is on CPU, where it pays for each score
    that enters its list. Neighbouring rows make a group: the k groups of largest
    maxima hold all answers, and their members below the least of these maxima are
    none.
    """
    rows, queries = scores.shape
    groups = rows // _GROUP
    if rows % _GROUP or groups < 8 * k:
        wanted = jnp.where(scores > floor.T, scores, -jnp.inf)
        return _by_rows(wanted).T, jnp.tile(jnp.arange(rows), (queries, 1))
    maxima = _by_rows(_maxima(scores.reshape(groups, _GROUP, queries)))
    candidates, positions = _candidates(maxima, k, floor)
    found, at = jax.lax.top_k(candidates, k)
    chosen = jnp.take_along_axis(positions, at, axis=1)
    # In order of position again, since `lax.top_k` settles ties by place.
    chosen = jnp.sort(jnp.where(jnp.isneginf(found), groups, chosen), axis=1)
    positions = chosen[..., None] * _GROUP + jnp.arange(_GROUP)[None, None]
    positions = positions.reshape(queries, -1)
    inside = positions < rows
    column = jnp.arange(queries)[:, None]
    members = scores.at[jnp.where(inside, positions, 0), column].get(
        mode="promise_in_bounds"
    )
    least = found.min(axis=1, keepdims=True)
    wanted = inside & (members > floor) & (members >= least)
    return jnp.where(wanted, members, -jnp.inf), positions


def _maxima(grouped: Array) -> Array:
    """Returns the largest of each group; XLA:CPU is slower at the usual maximum."""
    lowest = np.float32(-np.inf)
    return jax.lax.reduce(grouped, lowest, lambda a, b: jnp.where(a > b, a, b), (1,))


def _by_rows(scores: Array) -> Array:
    """Keeps XLA:CPU from computing them in the order of a transpose, far slower."""
    return with_layout_constraint(scores, Layout((0, 1)))
