"""Unit vectors, and pixels as networks expect them."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8

SMALLEST_NORM = 1e-12


def l2_normalise(vectors: Float[Array, "*batch D"]) -> Float[Array, "*batch D"]:
    """Scales vectors to length 1; zero vectors stay zero, with gradient zero.

    >>> l2_normalise(jnp.array([3.0, 4.0])).tolist()
    [0.6000000238418579, 0.800000011920929]
    """
    squared = jnp.sum(jnp.square(vectors), axis=-1, keepdims=True)
    return vectors * jax.lax.rsqrt(jnp.maximum(squared, SMALLEST_NORM**2))


def normalise_pixels(
    images: UInt8[Array, "B H W 3"],
    *,
    mean: Sequence[float],
    std: Sequence[float],
) -> Float[Array, "B H W 3"]:
    """Returns (pixel - mean) / std, float32; mean and std are in 0..255 units."""
    centred = (
        images.astype(jnp.float32) - jnp.array(mean, jnp.float32)[None, None, None]
    )
    return centred / jnp.array(std, jnp.float32)[None, None, None]
