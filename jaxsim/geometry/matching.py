"""Which points of two images look alike: nearest neighbours and the ratio test."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Float32, Int32

from jaxsim.ops.similarity import inner_product

_GROUP = 16


@jax.jit
def match(
    query: Float[Array, "L D"],
    database: Float[Array, "M D"],
    query_valid: Bool[Array, " L"],
    database_valid: Bool[Array, " M"],
    *,
    ratio: float | Float[Array, ""] = 0.8,
) -> tuple[Int32[Array, " L"], Bool[Array, " L"]]:
    """Finds the nearest database point of each query point, if it is a clear one.

    A match must be nearer than `ratio` times the second nearest point. Several query
    points may match one database point. One matrix product scores all pairs.

    Args:
      query: float [L, D], unit vectors such as root-SIFT.
      database: float [M, D], unit vectors.
      query_valid: bool [L], False for filling.
      database_valid: bool [M]; with fewer than two points there are no matches, since
        nothing shows that a lone one is clear.
      ratio: of the distances, 0..1.

    Returns:
      int32 [L], position of the nearest database point; bool [L], whether it matches.

    Source: Lowe 2004, section 7.1.
    """
    if not database.shape[0]:
        return jnp.zeros(len(query), jnp.int32), jnp.zeros(len(query), bool)
    # Rows of the database first: what is reduced lies apart, what is kept side by
    # side, so that the processor handles neighbouring query points at once.
    scores = inner_product(database, query)
    scores = jnp.where(database_valid[:, None], scores, -jnp.inf)
    nearest, second, at = _two_largest(scores)
    # Squared distances of unit vectors are 2 - 2 cos; the factor cancels.
    clear = 1 - nearest < jnp.square(ratio) * (1 - second)
    known = second > -jnp.inf
    return at, clear & known & query_valid


def _two_largest(
    scores: Float32[Array, "M L"],
) -> tuple[Float32[Array, " L"], Float32[Array, " L"], Int32[Array, " L"]]:
    """Returns the largest score of each column, the next one, and where it stands.

    A tournament in rounds: in each, the winners of a group of rows are found for all
    columns by elementwise operations alone, which XLA:CPU compiles to vector
    instructions, unlike its sorting and its reductions of several values.
    """
    rows = scores.shape[0]
    at = jnp.broadcast_to(jnp.arange(rows, dtype=jnp.int32)[:, None], scores.shape)
    standing = (scores, jnp.full_like(scores, -jnp.inf), at)
    while standing[0].shape[0] > 1:
        standing = _round(*standing)
    return standing[0][0], standing[1][0], standing[2][0]


def _round(best, second, at):
    rows = best.shape[0]
    group = min(_GROUP, rows)
    filling = -rows % group
    if filling:
        more = ((0, filling), (0, 0))
        best = jnp.pad(best, more, constant_values=-jnp.inf)
        second = jnp.pad(second, more, constant_values=-jnp.inf)
        at = jnp.pad(at, more)
    parts = [jnp.split(x, group) for x in (best, second, at)]
    winner = tuple(x[0] for x in parts)
    for challenger in zip(*(x[1:] for x in parts), strict=True):
        wins = challenger[0] > winner[0]
        beaten = jnp.where(wins, winner[0], challenger[0])
        next_best = jnp.where(wins, challenger[1], winner[1])
        winner = (
            jnp.where(wins, challenger[0], winner[0]),
            jnp.where(beaten > next_best, beaten, next_best),
            jnp.where(wins, challenger[2], winner[2]),
        )
    return winner
