"""Exact t-SNE: a map of descriptors on which neighbours stay neighbours."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32

from jaxsim.core.errors import InputError
from jaxsim.core.rng import rng
from jaxsim.ops.pca_map import pca_map
from jaxsim.ops.similarity import inner_product

# Early exaggeration, and the step size and momenta of the descent, as published.
_EXAGGERATION = 12.0
_MOMENTUM_EARLY, _MOMENTUM = 0.5, 0.8
_SMALLEST_GAIN = 0.01
_INITIAL_SPREAD = 1e-4
_BISECTIONS = 60
_TINY = 1e-12


def tsne(
    vectors: Float32[np.ndarray, "N D"],
    *,
    perplexity: float = 30.0,
    early_steps: int = 250,
    steps: int = 500,
    seed: int = 0,
) -> Float32[np.ndarray, "N 2"]:
    """Places vectors in the plane so that neighbours stay neighbours.

    Time and memory grow with N²: 2,000 vectors take 16 MB for each matrix. The descent
    starts from the vectors' principal plane, with a little noise of the seed so that
    vectors on one line can leave it.

    Args:
      vectors: float32 [N, D], finite.
      perplexity: how many neighbours of a vector matter, > 1 and < N - 1.
      early_steps: steps in which attraction is exaggerated.
      steps: steps that follow.
      seed: of the noise, >= 0.

    Returns:
      float32 [N, 2] with mean zero; equal arguments give equal points on one machine.

    Raises:
      InputError: the perplexity does not fit the number of vectors.

    Source: van der Maaten and Hinton 2008, algorithm 1; step size after Belkina et
    al. 2019; start after Kobak and Berens 2019.
    """
    count = len(vectors)
    if not 1 < perplexity < count - 1:
        raise InputError(
            f"perplexity {perplexity:g} does not fit {count} vectors; it must lie "
            f"between 1 and {count - 1}, the number of neighbours"
        )
    start = pca_map(vectors)
    start /= max(float(start[:, 0].std()), _TINY)
    start += 0.01 * rng(seed, "tsne").normal(size=start.shape).astype(np.float32)
    points = _descend(
        joint_probabilities(jnp.asarray(vectors), perplexity),
        jnp.asarray(_INITIAL_SPREAD * start),
        early_steps=early_steps,
        steps=steps,
    )
    return np.asarray(points)


@jax.jit
def joint_probabilities(
    vectors: Float[Array, "N D"], perplexity: Float[Array, ""] | float
) -> Float32[Array, "N N"]:
    """Returns how likely each pair of vectors are neighbours, p_ij.

    p_ij = (p_j|i + p_i|j) / 2N, with p_j|i the softmax over j ≠ i of -b_i |x_i - x_j|²,
    and b_i such that the entropy of p_·|i is the logarithm of the perplexity.

    Args:
      vectors: [N, D].
      perplexity: > 1, < N - 1.

    Returns:
      float32 [N, N], symmetric, zero on the diagonal, with sum 1.

    Source: van der Maaten and Hinton 2008, equations 1 and 4, section 3.1.
    """
    count = len(vectors)
    # Distances lose fewer digits when the vectors lie around zero.
    distances = _squared_distances(vectors - vectors.mean(axis=0, keepdims=True))
    itself = jnp.eye(count, dtype=bool)
    # Entropy does not change with the unit, so that bisection may start at one.
    distances /= jnp.maximum(distances.sum() / (count * (count - 1)), _TINY)

    def conditional(log_precision):
        logits = -jnp.exp(log_precision)[:, None] * distances
        return jax.nn.log_softmax(jnp.where(itself, -jnp.inf, logits), axis=1)

    def bisect(_, bounds):
        low, high = bounds
        middle = (low + high) / 2
        log_p = conditional(middle)
        entropy = -jnp.sum(jnp.where(itself, 0.0, jnp.exp(log_p) * log_p), axis=1)
        too_wide = entropy > jnp.log(perplexity)
        return jnp.where(too_wide, middle, low), jnp.where(too_wide, high, middle)

    ends = jnp.full(count, -12.0), jnp.full(count, 25.0)
    low, high = jax.lax.fori_loop(0, _BISECTIONS, bisect, ends)
    p = jnp.exp(conditional((low + high) / 2))
    return (p + p.T) / (2 * count)


def divergence_gradient(
    p: Float[Array, "N N"], points: Float[Array, "N 2"]
) -> Float[Array, "N 2"]:
    """Returns the gradient of KL(P || Q) by the points.

    4 Σ_j (p_ij - q_ij) (y_i - y_j) / (1 + |y_i - y_j|²), where q_ij is proportional to
    1 / (1 + |y_i - y_j|²) for i ≠ j.

    Args:
      p: [N, N] joint probabilities; exaggerated ones may sum to more than 1.
      points: [N, 2].

    Returns:
      The gradient, [N, 2].

    Source: van der Maaten and Hinton 2008, equation 5.
    """
    kernel = 1 / (1 + _squared_distances(points))
    kernel = jnp.where(jnp.eye(len(points), dtype=bool), 0.0, kernel)
    weights = (p - kernel / kernel.sum()) * kernel
    pulls = jnp.matmul(weights, points, precision=jax.lax.Precision.HIGHEST)
    return 4 * (weights.sum(axis=1, keepdims=True) * points - pulls)


@partial(jax.jit, static_argnames=("early_steps", "steps"))
def _descend(
    p: Float[Array, "N N"],
    start: Float[Array, "N 2"],
    *,
    early_steps: int,
    steps: int,
) -> Float[Array, "N 2"]:
    rate = max(len(p) / (4 * _EXAGGERATION), 50.0)

    def move(i, state):
        points, velocity, gains, early = state
        # Exaggeration is for clusters to part. Without clusters it draws all points
        # together, down to where float32 ends, unless it is given up before.
        early &= (i < early_steps) & (points.std() > 0.01 * _INITIAL_SPREAD)
        gradient = divergence_gradient(p * jnp.where(early, _EXAGGERATION, 1.0), points)
        # A coordinate that keeps its direction is moved faster, one that swings slower.
        gains = jnp.where(gradient * velocity < 0, gains + 0.2, gains * 0.8)
        gains = jnp.maximum(gains, _SMALLEST_GAIN)
        momentum = jnp.where(early, _MOMENTUM_EARLY, _MOMENTUM)
        velocity = momentum * velocity - rate * gains * gradient
        points = points + velocity
        points -= points.mean(axis=0, keepdims=True)
        return points, velocity, gains, early

    state = start, jnp.zeros_like(start), jnp.ones_like(start), jnp.array(True)
    return jax.lax.fori_loop(0, early_steps + steps, move, state)[0]


def _squared_distances(rows: Float[Array, "N D"]) -> Float[Array, "N N"]:
    squares = jnp.sum(jnp.square(rows), axis=1)
    products = inner_product(rows, rows)
    return jnp.maximum(squares[:, None] + squares[None, :] - 2 * products, 0.0)
