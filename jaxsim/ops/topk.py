"""Exact top-k search in memory set by a block, never by queries times database."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float32, Int32

from jaxsim.core.ranking import MISSING_ID

TopK = tuple[Float32[Array, "Q _K"], Int32[Array, "Q _K"]]

_GROUP = 16


def topk(
    scores: Float32[Array, "Q N"], k: int, live: Bool[Array, " N"] | None = None
) -> TopK:
    """Returns the k largest scores of each row; equal scores by rising position.

    Args:
      scores: float32 [Q, N] without NaN.
      k: 1 <= k <= N.
      live: bool [N], False for positions to skip; None takes all.

    Returns:
      Scores float32 [Q, k] and positions int32 [Q, k]; score -inf where fewer than k
      are live.
    """
    candidates, positions = _candidates(scores, k, live)
    best, at = jax.lax.top_k(candidates, k)
    return best, jnp.take_along_axis(positions, at, axis=1)


def _candidates(scores: Array, k: int, live: Array | None) -> tuple[Array, Array]:
    """Returns scores and positions that hold the k best, by rising position.

    Wide rows are cut into groups of neighbours. The k groups of largest maxima hold
    all answers: that is exact, and sorting only their members is several times faster
    on CPU than sorting whole rows. Groups are put back in order of position, since
    `lax.top_k` settles ties by place.
    """
    rows, width = scores.shape
    groups = width // _GROUP
    if width % _GROUP or groups < 4 * k:
        return _masked(scores, live), jnp.tile(jnp.arange(width), (rows, 1))
    scores = scores.reshape(rows, groups, _GROUP)
    # Masking the maxima and the few candidates spares a masked copy of all scores.
    live = None if live is None else live.reshape(groups, _GROUP)
    maxima = _masked(scores, live).max(axis=-1)
    chosen = jnp.sort(jax.lax.top_k(maxima, k)[1], axis=-1)
    candidates = jnp.take_along_axis(scores, chosen[..., None], axis=1)
    candidates = _masked(candidates, None if live is None else live[chosen])
    positions = chosen[..., None] * _GROUP + jnp.arange(_GROUP)[None, None]
    return candidates.reshape(rows, -1), positions.reshape(rows, -1)


def _masked(scores: Array, live: Array | None) -> Array:
    if live is None:
        return scores
    live = live.reshape((1,) * (scores.ndim - live.ndim) + live.shape)
    return jnp.where(live, scores, -jnp.inf)


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


def empty_topk(queries: int, k: int) -> TopK:
    """Returns k missing results for each query: score -inf, id -1."""
    shape = (queries, k)
    return jnp.full(shape, -jnp.inf), jnp.full(shape, MISSING_ID, jnp.int32)


def extend_topk(
    best: TopK,
    scores: Float32[Array, "Q B"],
    first_id: Int32[Array, ""] | int,
    live: Bool[Array, " B"] | None = None,
) -> TopK:
    """Returns the best of `best` and one more block of the database.

    Args:
      best: the k best so far, of rows before `first_id`.
      scores: float32 [Q, B] of the block's rows.
      first_id: id of the block's first row.
      live: bool [B], False for rows to skip; None takes all.
    """
    k = best[0].shape[1]
    found, positions = _candidates(scores, min(k, scores.shape[1]), live)
    ids = jnp.where(jnp.isneginf(found), MISSING_ID, positions + first_id)
    return merge_topk(best, (found, ids), k)
