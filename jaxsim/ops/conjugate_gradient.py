"""Conjugate gradients: linear systems of one matrix, many right-hand sides at once."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float32


def conjugate_gradient(
    apply: Callable[[Float32[Array, "N B"]], Float32[Array, "N B"]],
    right: Float32[Array, "N B"],
    *,
    iterations: int,
    tolerance: float,
) -> Float32[Array, "N B"]:
    """Solves A x = b for each column b, from x = 0.

    A column rests as soon as |b - A x| <= tolerance |b|; all end when the last one
    does, or after a number of iterations.

    Args:
      apply: multiplies columns by A, which is symmetric and positive definite.
      right: float32 [N, B]; a column of zeros has the solution 0.
      iterations: at most so many.
      tolerance: >= 0.

    Source: Hestenes and Stiefel 1952, section 3.
    """
    squared = _dots(right, right)
    goal = tolerance**2 * squared

    def unfinished(state):
        step, _, _, _, left = state
        return (step < iterations) & (left > goal).any()

    def improve(state):
        step, found, residual, direction, left = state
        moving = left > goal
        image = apply(direction)
        # A column that rests would divide by nothing.
        length = jnp.where(moving, left, 0) / _positive(_dots(direction, image))
        found = found + length[None] * direction
        residual = residual - length[None] * image
        now = jnp.where(moving, _dots(residual, residual), left)
        turn = now / _positive(left)
        direction = jnp.where(
            moving[None], residual + turn[None] * direction, direction
        )
        return step + 1, found, residual, direction, now

    start = jnp.int32(0), jnp.zeros_like(right), right, right, squared
    return jax.lax.while_loop(unfinished, improve, start)[1]


def _dots(first: Float32[Array, "N B"], second: Float32[Array, "N B"]) -> Array:
    return jnp.sum(first * second, axis=0)


def _positive(values: Array) -> Array:
    """Keeps numbers that are divided by away from 0."""
    return jnp.where(values > 0, values, jnp.inf)
