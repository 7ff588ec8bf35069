"""Affine maps: from three matches exactly, from many by least squares."""

import jax.numpy as jnp
from jax.lax import Precision
from jaxtyping import Array, Bool, Float32

from jaxsim.geometry.transforms import (
    SMALLEST_AREA,
    doubled_area,
    from_weighted_triangle,
    normalisation,
    normalised,
    same_turn,
    undo_normalisation,
)


def affine_from_sample(
    source: Float32[Array, "3 2"], target: Float32[Array, "3 2"]
) -> tuple[Float32[Array, "3 3"], Bool[Array, ""]]:
    """Returns the affine map of three matches.

    Args:
      source: float32 [3, 2], (y, x), normalised.
      target: float32 [3, 2], (y, x), normalised.

    Returns:
      float32 [3, 3], and whether it can be used: neither triangle is almost a line, and
      both turn the same way, as what is seen from one side does. Zeros if not.
    """
    area = doubled_area(*source)
    usable = same_turn(area, doubled_area(*target))
    weight = 1 / jnp.where(usable, area, 1)
    found = from_weighted_triangle(source, target, [weight] * 3)
    return jnp.where(usable, found, 0), usable


def fit_affine(
    source: Float32[Array, "M 2"],
    target: Float32[Array, "M 2"],
    chosen: Bool[Array, " M"],
) -> Float32[Array, "3 3"]:
    """Returns the affine map of least squared transfer error.

    Args:
      source: float32 [M, 2], (y, x).
      target: float32 [M, 2], (y, x).
      chosen: bool [M], the matches to fit.

    Returns:
      float32 [3, 3]; zeros if the chosen points are fewer than three or on a line.
    """
    before, after = normalisation(source, chosen), normalisation(target, chosen)
    weight = chosen.astype(jnp.float32)[:, None]
    p, q = normalised(source, before) * weight, normalised(target, after) * weight
    # Both are centred, so that the best translation is none.
    pp = jnp.einsum("mi,mj->ij", p, p, precision=Precision.HIGHEST)
    qp = jnp.einsum("mi,mj->ij", q, p, precision=Precision.HIGHEST)
    determinant = pp[0, 0] * pp[1, 1] - pp[0, 1] * pp[1, 0]
    usable = determinant > jnp.square(SMALLEST_AREA * weight.sum())
    adjugate = jnp.stack(
        [jnp.stack([pp[1, 1], -pp[0, 1]]), jnp.stack([-pp[1, 0], pp[0, 0]])]
    )
    linear = jnp.matmul(qp, adjugate, precision=Precision.HIGHEST)
    linear = linear / jnp.where(usable, determinant, 1)
    found = jnp.eye(3).at[:2, :2].set(linear)
    return jnp.where(usable, undo_normalisation(found, before, after), 0)
