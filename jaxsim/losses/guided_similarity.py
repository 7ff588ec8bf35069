"""Guided similarity separation: similar pairs attract, dissimilar ones part."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32

from jaxsim.ops.similarity import inner_product

BLOCK_ROWS = 512


def guided_similarity(
    vectors: Float[Array, "N D"],
    *,
    beta: Float[Array, ""] | float,
    alpha: float = 1.0,
    block_rows: int = BLOCK_ROWS,
) -> Float32[Array, ""]:
    """Returns the mean of -(α/2)(s_ij - β)² over all pairs, also of a row with itself.

    s_ij = max(x_i·x_j, 0). Pairs more similar than β are drawn together, others are
    pushed apart until their similarity is 0. No labels are needed.

    Memory is that of the vectors, of as many for their gradient, and of one block of
    similarities. A block and its mirror image are computed once, and the gradient
    together with the loss.

    Args:
      vectors: float [N, D], unit length.
      beta: β, the similarity from which on pairs attract.
      alpha: α, scales the loss.
      block_rows: B; similarities are computed B x B at a time. It does not change the
        loss but for rounding.

    Returns:
      float32; 0 without vectors.

    Source: Liu et al. 2019, "Guided similarity separation for image retrieval".
    """
    if not len(vectors):
        return jnp.zeros(())
    return _loss(
        vectors.astype(jnp.float32),
        jnp.float32(beta),
        alpha,
        min(block_rows, len(vectors)),
    )


@partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _loss(vectors: Array, beta: Array, alpha: float, rows: int) -> Array:
    blocks = _blocks(vectors, rows)

    def add(total, pair):
        first, second = blocks[pair[0]], blocks[pair[1]]
        gains = _gain(inner_product(first, second), beta)
        return total + jnp.where(pair[0] == pair[1], 1, 2) * gains.sum(), None

    pairs = jnp.concatenate([_diagonal(len(blocks)), _above(len(blocks))])
    total, _ = jax.lax.scan(add, jnp.zeros(()), pairs)
    return _mean(total, beta, alpha, len(vectors))


def _loss_and_gradient(vectors: Array, beta: Array, alpha: float, rows: int):
    """Returns the loss, and what one more sweep over the pairs would be needed for."""
    blocks = _blocks(vectors, rows)

    def similarities(pair):
        first, second = blocks[pair[0]], blocks[pair[1]]
        scores = inner_product(first, second)
        return first, second, _gain(scores, beta), _slope(scores, beta)

    def on_diagonal(carry, pair):
        total, gradient = carry
        _, second, gains, slopes = similarities(pair)
        gradient = gradient.at[pair[0]].add(_product(slopes, second))
        return (total + gains.sum(), gradient), None

    def off_diagonal(carry, pair):
        total, gradient = carry
        first, second, gains, slopes = similarities(pair)
        gradient = gradient.at[pair[0]].add(_product(slopes, second))
        gradient = gradient.at[pair[1]].add(_product(slopes.T, first))
        return (total + 2 * gains.sum(), gradient), None

    carry = jnp.zeros(()), jnp.zeros_like(blocks)
    carry, _ = jax.lax.scan(on_diagonal, carry, _diagonal(len(blocks)))
    (total, gradient), _ = jax.lax.scan(off_diagonal, carry, _above(len(blocks)))
    count = len(vectors)
    gradient = gradient.reshape(-1, vectors.shape[1])[:count]
    # Each pair stands twice in the mean.
    gradient *= -2 * alpha / count**2
    return _mean(total, beta, alpha, count), gradient


def _backward(alpha: float, rows: int, gradient: Array, outer: Array):
    # β is set once, from the vectors as they were, and does not learn.
    return outer * gradient, jnp.zeros(())


_loss.defvjp(_loss_and_gradient, _backward)


def _gain(scores: Array, beta: Array) -> Array:
    """Returns (s - β)² - β² = s (s - 2β): 0 where s = 0, as it is of padded rows."""
    positive = jnp.maximum(scores, 0)
    return positive * (positive - 2 * beta)


def _slope(scores: Array, beta: Array) -> Array:
    return jnp.where(scores > 0, scores - beta, 0)


def _mean(total: Array, beta: Array, alpha: float, count: int) -> Array:
    return -alpha / 2 * (total / float(count) ** 2 + beta**2)


def _product(slopes: Array, rows: Array) -> Array:
    return jnp.matmul(slopes, rows, precision=jax.lax.Precision.HIGHEST)


def _blocks(vectors: Array, rows: int) -> Array:
    padding = -len(vectors) % rows
    padded = jnp.pad(vectors, ((0, padding), (0, 0)))
    return padded.reshape(-1, rows, vectors.shape[1])


def _diagonal(count: int) -> Array:
    return jnp.tile(jnp.arange(count, dtype=jnp.int32)[:, None], (1, 2))


def _above(count: int) -> Array:
    pairs = np.stack(np.triu_indices(count, 1), axis=1)
    return jnp.asarray(pairs, jnp.int32).reshape(-1, 2)
