"""Homographies: from four matches exactly, from many by the normalised DLT."""

import jax.numpy as jnp
from jax.lax import Precision
from jaxtyping import Array, Bool, Float32

from jaxsim.geometry.transforms import (
    doubled_area,
    from_weighted_triangle,
    homogeneous,
    normalisation,
    normalised,
    same_turn,
    undo_normalisation,
)


def homography_from_sample(
    source: Float32[Array, "4 2"], target: Float32[Array, "4 2"]
) -> tuple[Float32[Array, "3 3"], Bool[Array, ""]]:
    """Returns the homography of four matches.

    In closed form, since thousands of samples are tried for each pair of images: the
    fourth point is a sum of the first three, whose weights are areas of triangles, and
    the homography turns one set of weights into the other.

    Args:
      source: float32 [4, 2], (y, x), normalised.
      target: float32 [4, 2], (y, x), normalised.

    Returns:
      float32 [3, 3], and whether it can be used: no three points are almost on a line,
      and all triangles turn the same way in both images, as those of a plane seen from
      one side do. Zeros if not.
    """
    before, after = _areas(source), _areas(target)
    usable = jnp.array(True)
    for a, b in zip(before, after, strict=True):
        usable &= same_turn(a, b)
    weights = [
        b / jnp.where(usable, a, 1) for a, b in zip(before[:3], after[:3], strict=True)
    ]
    found = from_weighted_triangle(source, target, weights)
    # The sign that sends the sample to the front of the camera.
    found = found * jnp.sign(before[3])
    return jnp.where(usable, found, 0), usable


def fit_homography(
    source: Float32[Array, "M 2"],
    target: Float32[Array, "M 2"],
    chosen: Bool[Array, " M"],
) -> Float32[Array, "3 3"]:
    """Returns the homography of least squared algebraic error.

    Args:
      source: float32 [M, 2], (y, x).
      target: float32 [M, 2], (y, x).
      chosen: bool [M], the matches to fit.

    Returns:
      float32 [3, 3]; zeros if fewer than four are chosen. Points on a line determine
      no homography; one of those that fit is returned then.

    Source: Hartley and Zisserman 2004, algorithm 4.2.
    """
    before, after = normalisation(source, chosen), normalisation(target, chosen)
    p, q = homogeneous(normalised(source, before)), normalised(target, after)
    weight = chosen.astype(jnp.float32)
    # Each match gives the equations (p, 0, -y' p) h = 0 and (0, p, -x' p) h = 0. Their
    # normal equations are made of four weighted sums of p pᵀ.
    y, x = q[:, 0] * weight, q[:, 1] * weight
    sums = jnp.einsum(
        "sm,mi,mj->sij",
        jnp.stack([weight, y, x, y * q[:, 0] + x * q[:, 1]]),
        p,
        p,
        precision=Precision.HIGHEST,
    )
    one, by_y, by_x, by_square = sums
    none = jnp.zeros_like(one)
    normal = jnp.block(
        [[one, none, -by_y], [none, one, -by_x], [-by_y, -by_x, by_square]]
    )
    smallest = jnp.linalg.eigh(normal)[1][:, 0].reshape(3, 3)
    # The centre of the chosen points, now the origin, lies in front of the camera.
    found = jnp.where(smallest[2, 2] < 0, -smallest, smallest)
    enough = weight.sum() >= 4
    return jnp.where(enough, undo_normalisation(found, before, after), 0)


def _areas(corners: Float32[Array, "4 2"]) -> list[Array]:
    """Returns doubled areas: of each point of a triangle replaced by the fourth; whole.

    Divided by the last, the first three are the fourth point's barycentric coordinates.
    """
    a, b, c, d = corners
    return [
        doubled_area(d, b, c),
        doubled_area(a, d, c),
        doubled_area(a, b, d),
        doubled_area(a, b, c),
    ]
