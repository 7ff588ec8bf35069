"""Maps of the plane as 3 x 3 matrices on (y, x, 1)."""

import jax.numpy as jnp
from jax.lax import Precision
from jaxtyping import Array, Bool, Float32

SMALLEST_AREA = 1e-3
"""Twice the area of a triangle whose corners count as different points, where the
points' mean square is 1 a side: a few pixels of photographs, about as exact as points
are found."""


def transferred(
    transform: Float32[Array, "3 3"], points: Float32[Array, "M 2"]
) -> tuple[Float32[Array, "M 2"], Float32[Array, " M"]]:
    """Applies a transform, without its last division.

    Args:
      transform: float32 [3, 3], acts on columns (y, x, 1).
      points: float32 [M, 2], (y, x).

    Returns:
      float32 [M, 2], the images (y, x) times w; float32 [M], w. Only points with w > 0
      lie in front of the camera.
    """
    mapped = jnp.einsum(
        "ij,mj->mi", transform, homogeneous(points), precision=Precision.HIGHEST
    )
    return mapped[:, :2], mapped[:, 2]


def squared_transfer_error(
    transform: Float32[Array, "3 3"],
    source: Float32[Array, "M 2"],
    target: Float32[Array, "M 2"],
) -> Float32[Array, " M"]:
    """Returns the squared distance of each transformed point to its match.

    Args:
      transform: float32 [3, 3], from source to target, acts on columns (y, x, 1).
      source: float32 [M, 2], (y, x).
      target: float32 [M, 2], (y, x).

    Returns:
      float32 [M], in squared units of `target`; infinite for points that the transform
      sends to or behind the horizon, and for a transform of zeros.
    """
    mapped, w = transferred(transform, source)
    seen = w > 0
    apart = mapped / jnp.where(seen, w, 1)[:, None] - target
    return jnp.where(seen, jnp.sum(apart * apart, axis=1), jnp.inf)


def normalisation(
    points: Float32[Array, "M 2"], valid: Bool[Array, " M"]
) -> Float32[Array, "3 3"]:
    """Returns the transform that centres points and makes their mean square 1 a side.

    In these units float32 solves what it could not in pixels.

    Args:
      points: float32 [M, 2], (y, x).
      valid: bool [M]; without any, or if all are one point, nothing is scaled.

    Source: Hartley 1997.
    """
    weight = valid.astype(jnp.float32)[:, None]
    count = jnp.maximum(weight.sum(), 1)
    centre = jnp.sum(jnp.where(valid[:, None], points, 0), axis=0) / count
    apart = (points - centre[None]) * weight
    spread = jnp.sqrt(jnp.sum(apart * apart) / (2 * count))
    scale = 1 / jnp.where(spread > 0, spread, 1)
    zero, one = jnp.zeros_like(scale), jnp.ones_like(scale)
    return jnp.stack(
        [
            jnp.stack([scale, zero, -scale * centre[0]]),
            jnp.stack([zero, scale, -scale * centre[1]]),
            jnp.stack([zero, zero, one]),
        ]
    )


def normalised(
    points: Float32[Array, "M 2"], by: Float32[Array, "3 3"]
) -> Float32[Array, "M 2"]:
    """Applies a transform that `normalisation` returned."""
    return points * by[0, 0] + by[:2, 2][None]


def undo_normalisation(
    transform: Float32[Array, "3 3"],
    source: Float32[Array, "3 3"],
    target: Float32[Array, "3 3"],
) -> Float32[Array, "3 3"]:
    """Returns, for points as they were, a transform of normalised points.

    Args:
      transform: float32 [3, 3], between normalised points.
      source: float32 [3, 3], the normalisation of the source points.
      target: float32 [3, 3], the normalisation of the target points.

    Returns:
      float32 [3, 3]; its last entry is 1 or -1, unless it is too near to 0.
    """
    scale = 1 / target[0, 0]
    zero, one = jnp.zeros_like(scale), jnp.ones_like(scale)
    back = jnp.stack(
        [
            jnp.stack([scale, zero, -target[0, 2] * scale]),
            jnp.stack([zero, scale, -target[1, 2] * scale]),
            jnp.stack([zero, zero, one]),
        ]
    )
    pixels = jnp.linalg.multi_dot([back, transform, source], precision="highest")
    last = jnp.abs(pixels[2, 2])
    usual = last > 1e-6 * jnp.abs(pixels[2]).max()
    return pixels / jnp.where(usual, last, 1)


def homogeneous(points: Float32[Array, "M 2"]) -> Float32[Array, "M 3"]:
    """Returns (y, x, 1) of points (y, x)."""
    return jnp.concatenate([points, jnp.ones_like(points[:, :1])], axis=1)


def doubled_area(a: Array, b: Array, c: Array) -> Array:
    """Returns twice the area of a triangle of points (y, x); its sign is its turn."""
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def same_turn(a: Array, b: Array) -> Array:
    """Returns whether two doubled areas are neither almost 0 nor of different signs.

    What is seen from one side keeps the turn of each of its triangles.
    """
    large = (jnp.abs(a) > SMALLEST_AREA) & (jnp.abs(b) > SMALLEST_AREA)
    return large & ((a > 0) == (b > 0))


def from_weighted_triangle(source, target, weights) -> Float32[Array, "3 3"]:
    """Returns the sum over three corners of weight, target, and source's dual.

    The dual of corner i, p_j x p_k, is a line through the other two corners. So corner
    i of the source is sent to weight i times corner i of the target, times twice the
    area of the source's triangle.

    Args:
      source: float32 [3, 2] or more points, (y, x).
      target: float32 [3, 2] or more points, (y, x).
      weights: three numbers.
    """
    rows = []
    for component in range(3):
        total = []
        for entry in range(3):
            terms = [
                weights[i]
                * (target[i, component] if component < 2 else 1)
                * _line(source[(i + 1) % 3], source[(i + 2) % 3])[entry]
                for i in range(3)
            ]
            total.append(terms[0] + terms[1] + terms[2])
        rows.append(jnp.stack(total))
    return jnp.stack(rows)


def _line(a: Array, b: Array) -> tuple[Array, Array, Array]:
    """Returns the line through two points (y, x): their cross product."""
    return a[1] - b[1], b[0] - a[0], a[0] * b[1] - a[1] * b[0]
