"""The nearest neighbours of every row, exactly and in blocks."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float32, Int32

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import MISSING_ID
from jaxsim.ops.similarity import search_scores
from jaxsim.ops.topk import empty_topk, extend_topk

_QUERY_ROWS = 1024
_DATABASE_ROWS = 8192
_SMALLEST_BLOCK = 256


class Neighbours(NamedTuple):
    """Lists of one length, whatever the number of neighbours found.

    Attributes:
      ids: int32 [Q, K], rows of the database; -1 where there is no K-th neighbour.
      scores: float32 [Q, K], falling unless the order is that of `listed_neighbours`;
        -inf where the id is -1.
    """

    ids: Int32[np.ndarray, "Q K"]
    scores: Float32[np.ndarray, "Q K"]


def nearest_neighbours(
    queries: Float32[np.ndarray, "Q D"],
    database: Float32[np.ndarray, "N _D"],
    k: int,
    *,
    live: Bool[np.ndarray, " _N"] | None = None,
) -> Neighbours:
    """Returns the k rows of largest inner product with each query; ties go by id.

    Memory is that of the arrays and of one block of scores, never Q x N.

    Args:
      queries: float32 [Q, D], finite.
      database: float32 [N, D], finite.
      k: >= 1; may exceed N.
      live: bool [N], the rows that can be found; None takes all.

    Returns:
      K = min(k, N); 1 if there are no rows.

    Raises:
      InputError: k < 1, shapes do not fit, or numbers are not finite.
    """
    return _search(queries, database, k, live, own=False)


def self_neighbours(
    vectors: Float32[np.ndarray, "N D"],
    k: int,
    *,
    live: Bool[np.ndarray, " N"] | None = None,
) -> Neighbours:
    """Returns of each row itself, first, and the k - 1 others most like it.

    A copy of a row may be as near as the row itself, which stands first whatever comes:
    so k counts as in published graphs, which keep the k largest scores of a row, its
    own among them.

    Args:
      vectors: float32 [N, D], finite.
      k: >= 1; may exceed N.
      live: bool [N], rows that take part; others find and are found by nobody.

    Returns:
      K = min(k, N); 1 if there are no rows. The first score is the row's squared
      length.

    Raises:
      InputError: k < 1, or numbers are not finite.
    """
    k = _at_most(k, vectors)
    found = _search(vectors, vectors, k - 1, live, own=True) if k > 1 else None
    rows = np.arange(len(vectors), dtype=np.int32)[:, None]
    if found is None:
        _require(vectors, vectors, k, live)
        found = Neighbours(rows[:, :0], np.zeros((len(rows), 0), np.float32))
    lengths = np.einsum("nd,nd->n", vectors, vectors)[:, None].astype(np.float32)
    ids = np.concatenate([rows, found.ids], axis=1)
    scores = np.concatenate([lengths, found.scores], axis=1)
    if live is not None:
        ids[~live], scores[~live] = MISSING_ID, -np.inf
    return Neighbours(ids, scores)


def listed_neighbours(
    ids: Int32[np.ndarray, "Q K"],
    queries: Float32[np.ndarray, "Q D"],
    database: Float32[np.ndarray, "N _D"],
) -> Neighbours:
    """Returns lists that something else than their scores has put in order.

    Args:
      ids: int32 [Q, K], rows of the database; -1 where there is none.
      queries: float32 [Q, D].
      database: float32 [N, D].

    Returns:
      The ids as they are, with inner products, which need not fall.
    """
    scores = np.full(ids.shape, -np.inf, np.float32)
    for start in range(0, len(ids), _QUERY_ROWS):
        part = ids[start : start + _QUERY_ROWS]
        rows, places = np.nonzero(part != MISSING_ID)
        for place in np.unique(places):
            here = rows[places == place]
            found = database[part[here, place]]
            scores[start + here, place] = np.einsum(
                "nd,nd->n", queries[start + here], found
            )
    return Neighbours(ids, scores)


def _search(queries, database, k: int, live, *, own: bool) -> Neighbours:
    _require(queries, database, k, live)
    k = _at_most(k, database)
    block = min(_DATABASE_ROWS, max(_SMALLEST_BLOCK, _power_of_two(len(database))))
    padding = -len(database) % block
    blocks = np.pad(database, ((0, padding), (0, 0)))
    alive = np.ones(len(database), bool) if live is None else live
    alive = jnp.asarray(np.pad(alive, (0, padding)).reshape(-1, block))
    blocks = jnp.asarray(blocks.reshape(len(alive), block, database.shape[1]))
    asked = min(_QUERY_ROWS, max(_SMALLEST_BLOCK, _power_of_two(len(queries))))
    ids = np.empty((len(queries), k), np.int32)
    scores = np.empty((len(queries), k), np.float32)
    for start in range(0, len(queries), asked):
        part = queries[start : start + asked]
        # One shape, so that one program is compiled.
        padded = np.pad(part, ((0, asked - len(part)), (0, 0)))
        skipped = np.full(asked, MISSING_ID, np.int32)
        if own:
            skipped[: len(part)] = np.arange(start, start + len(part))
        best = _of_block(jnp.asarray(padded), jnp.asarray(skipped), blocks, alive, k=k)
        rows = slice(start, start + len(part))
        scores[rows], ids[rows] = (np.asarray(x)[: len(part)] for x in best)
    return Neighbours(ids, scores)


@partial(jax.jit, static_argnames="k")
def _of_block(
    queries: Float32[Array, "q D"],
    skipped: Int32[Array, " q"],
    blocks: Float32[Array, "B b D"],
    live: Bool[Array, "B b"],
    *,
    k: int,
) -> tuple[Float32[Array, "q k"], Int32[Array, "q k"]]:
    """Returns scores and ids of the k best, each query's own row left out."""

    def extend(best, block):
        first, rows, alive = block
        scores = search_scores(rows, queries)
        own = (first + jnp.arange(len(rows)))[:, None] == skipped[None]
        scores = jnp.where(own, -jnp.inf, scores)
        return extend_topk(best, scores, first, alive), None

    count, size = live.shape
    firsts = jnp.arange(count, dtype=jnp.int32) * size
    start = empty_topk(len(queries), k)
    return jax.lax.scan(extend, start, (firsts, blocks, live))[0]


def _require(queries, database, k: int, live) -> None:
    if k < 1:
        raise InputError(f"a graph needs k >= 1 neighbours; got k={k}")
    if queries.shape[1] != database.shape[1]:
        raise InputError(
            f"the queries have {queries.shape[1]} dimensions and the database "
            f"{database.shape[1]}; describe both by one model"
        )
    if live is not None and len(live) != len(database):
        raise InputError(f"`live` has {len(live)} rows, the database {len(database)}")
    for name, rows in (("queries", queries), ("database", database)):
        finite = np.isfinite(rows).all(axis=1)
        if not finite.all():
            raise InputError(
                f"row {int(np.argmin(finite))} of the {name} has NaN or infinite "
                "values; leave out images without a descriptor"
            )


def _at_most(k: int, database) -> int:
    """Returns how long lists are: no longer than they can be filled."""
    return min(k, max(len(database), 1))


def _power_of_two(count: int) -> int:
    """Returns the least power of two that is not below a number."""
    return 1 << max(count - 1, 0).bit_length()
