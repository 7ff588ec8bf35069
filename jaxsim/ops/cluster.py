"""k-means: vectors by their nearest centres, and centres by their vectors."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float32, Int32

from jaxsim.core.errors import InputError
from jaxsim.core.rng import rng
from jaxsim.ops.normalise import l2_normalise
from jaxsim.ops.similarity import inner_product

_SCORES_AT_ONCE = 1 << 22
_MOST_BLOCK_ROWS = 16384


def kmeans(
    vectors: Float32[np.ndarray, "N D"],
    clusters: int,
    *,
    steps: int = 25,
    unit: bool = False,
    seed: int = 0,
) -> Float32[np.ndarray, "C D"]:
    """Returns centres of clusters, from a start at vectors drawn by the seed.

    Args:
      vectors: float32 [N, D], finite.
      clusters: C, 1 <= C <= N.
      steps: see `lloyd`, as `unit`.
      unit: see `lloyd`.
      seed: of the draw, >= 0.

    Returns:
      float32 [C, D]; equal arguments give equal centres on one machine.

    Raises:
      InputError: C is no number of clusters of N vectors.

    Source: Lloyd 1982; with `unit`, Dhillon and Modha 2001.
    """
    if not 1 <= clusters <= len(vectors):
        raise InputError(
            f"{len(vectors)} vectors cannot make {clusters} clusters; ask for at least "
            "1 and at most as many as there are vectors"
        )
    drawn = rng(seed, "k-means").permutation(len(vectors))[:clusters]
    return lloyd(vectors, vectors[np.sort(drawn)], steps=steps, unit=unit)


def lloyd(
    vectors: Float32[np.ndarray, "N D"],
    centres: Float32[np.ndarray, "C D"],
    *,
    steps: int,
    unit: bool = False,
) -> Float32[np.ndarray, "C D"]:
    """Improves centres: each becomes the mean of the vectors nearest to it.

    An empty cluster takes a vector away from a large one: the j-th empty one from the
    j-th largest that has two vectors or more, the vector farthest from its centre.

    Args:
      vectors: float32 [N, D], finite, N >= 1.
      centres: float32 [C, D] to start from.
      steps: at most so many; fewer if nothing moves any more.
      unit: scale centres to length 1 after each step, for vectors of length 1: the
        nearest centre is then that of the largest inner product.

    Returns:
      float32 [C, D].
    """
    rows = _block_rows(len(centres), len(vectors))
    padding = -len(vectors) % rows
    blocks = np.pad(vectors, ((0, padding), (0, 0))).reshape(-1, rows, len(centres[0]))
    real = (np.arange(len(vectors) + padding) < len(vectors)).reshape(-1, rows)
    moved = _lloyd(blocks, real, centres, steps=steps, unit=unit)
    return np.asarray(moved)


def assign(
    vectors: Float32[np.ndarray, "N D"], centres: Float32[np.ndarray, "C D"]
) -> Int32[np.ndarray, " N"]:
    """Returns the nearest centre of each vector, the first of equally near ones.

    Args:
      vectors: float32 [N, D].
      centres: float32 [C, D].
    """
    nearest = np.empty(len(vectors), np.int32)
    rows = _block_rows(len(centres), len(vectors))
    for start in range(0, len(vectors), rows):
        block = vectors[start : start + rows]
        padded = np.pad(block, ((0, rows - len(block)), (0, 0)))
        found = nearest_centre(padded, centres)[0]
        nearest[start : start + len(block)] = np.asarray(found)[: len(block)]
    return nearest


@jax.jit
def nearest_centre(
    vectors: Float32[Array, "B D"] | Float32[np.ndarray, "B D"],
    centres: Float32[Array, "C D"] | Float32[np.ndarray, "C D"],
) -> tuple[Int32[Array, " B"], Float32[Array, " B"]]:
    """Returns the nearest centre of each vector, and its score.

    The score x·c - |c|²/2 falls as the distance rises. Scores stand as [C, B], where
    both the largest and its first place are sums over rows, quick on every platform.

    Args:
      vectors: float32 [B, D], few enough for C x B scores in memory.
      centres: float32 [C, D].

    Returns:
      int32 [B], the first of equally near centres; and float32 [B].
    """
    vectors, centres = jnp.asarray(vectors), jnp.asarray(centres)
    half_squares = jnp.sum(jnp.square(centres), axis=1) / 2
    scores = inner_product(centres, vectors) - half_squares[:, None]
    best = _largest(scores)
    places = jnp.arange(len(scores), dtype=jnp.int32)[:, None]
    first = jnp.where(scores == best[None], places, len(scores)).min(axis=0)
    return first, best


def _largest(scores: Float32[Array, "C B"]) -> Float32[Array, " B"]:
    """Returns the largest of each column; XLA:CPU is slower at the usual maximum."""
    lowest = np.float32(-np.inf)
    return jax.lax.reduce(scores, lowest, lambda a, b: jnp.where(a > b, a, b), (0,))


@partial(jax.jit, static_argnames=("steps", "unit"))
def _lloyd(
    blocks: Float32[Array, "b B D"] | Float32[np.ndarray, "b B D"],
    real: Bool[Array, "b B"] | Bool[np.ndarray, "b B"],
    centres: Float32[Array, "C D"] | Float32[np.ndarray, "C D"],
    *,
    steps: int,
    unit: bool,
) -> Float32[Array, "C D"]:
    rows = blocks.reshape(-1, blocks.shape[-1])

    def step(state):
        turn, centres, _ = state
        sums, counts, nearest, far = _members(blocks, real, centres)
        means = sums / jnp.maximum(counts, 1)[:, None]
        moved = jnp.where((counts > 0)[:, None], means, centres)
        moved = jax.lax.cond(
            (counts == 0).any(),
            lambda: _refilled(moved, counts, rows, nearest, far),
            lambda: moved,
        )
        if unit:
            moved = l2_normalise(moved)
        return turn + 1, moved, (moved != centres).any()

    def unfinished(state):
        turn, _, changed = state
        return (turn < steps) & changed

    start = 0, jnp.asarray(centres), jnp.array(True)
    return jax.lax.while_loop(unfinished, step, start)[1]


def _members(blocks, real, centres):
    """Returns sums and numbers of each cluster's vectors; centre and distance of each.

    Sums are products with a matrix of zeros and ones: unlike scattered additions they
    have one order on every device, so that equal arguments give equal centres.
    """
    places = jnp.arange(len(centres), dtype=jnp.int32)[:, None]

    def add(totals, block):
        vectors, real = block
        nearest, score = nearest_centre(vectors, centres)
        nearest = jnp.where(real, nearest, len(centres))
        member = (places == nearest[None]).astype(jnp.float32)
        sums = jnp.matmul(member, vectors, precision=jax.lax.Precision.HIGHEST)
        far = jnp.sum(jnp.square(vectors), axis=1) - 2 * score
        return (totals[0] + sums, totals[1] + member.sum(axis=1)), (nearest, far)

    nothing = jnp.zeros_like(centres), jnp.zeros(len(centres))
    (sums, counts), (nearest, far) = jax.lax.scan(add, nothing, (blocks, real))
    return sums, counts, nearest.reshape(-1), far.reshape(-1)


def _refilled(centres, counts, rows, nearest, far):
    """Returns the centres with empty clusters moved, as `lloyd` says."""
    clusters = len(centres)
    empty = counts == 0
    donors = jnp.argsort(-counts, stable=True)[jnp.cumsum(empty) - 1]
    farthest = jax.ops.segment_max(far, nearest, clusters)
    places = jnp.arange(len(rows), dtype=jnp.int32)
    at_edge = far == farthest[jnp.minimum(nearest, clusters - 1)]
    given = jax.ops.segment_min(
        jnp.where(at_edge, places, len(rows) - 1), nearest, clusters
    )
    moves = empty & (counts[donors] > 1)
    return jnp.where(moves[:, None], rows[given[donors]], centres)


def _block_rows(clusters: int, count: int) -> int:
    """Returns how many vectors are scored at once: a power of two."""
    fitting = 1 << (max(_SCORES_AT_ONCE // clusters, 64).bit_length() - 1)
    needed = 1 << max(count - 1, 0).bit_length()
    return min(fitting, _MOST_BLOCK_ROWS, needed)
