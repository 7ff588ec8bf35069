"""Logits whose class must win by a margin: ArcFace and CosFace.

Both take the cosines of descriptors and class weights, and make the label's class
harder; `losses.cross_entropy` of the result is the loss.
"""

import math

import jax.numpy as jnp
from jaxtyping import Array, Float, Float32, Int

from jaxsim.ops.distances import safe_sqrt


def arcface_logits(
    cosines: Float[Array, "B C"],
    labels: Int[Array, " B"],
    *,
    scale: float = 64.0,
    margin: float = 0.5,
) -> Float32[Array, "B C"]:
    """Returns scale * cos θ, but scale * cos(θ + margin) for the label's class.

    Beyond θ = π - margin that cosine would rise again. There cos θ - margin *
    sin(margin) takes its place, as in the published code: it jumps down once and
    falls on. Where θ is exactly 0 or π, the sine's slope is taken as 0.

    Args:
      cosines: float [B, C], of unit descriptors and unit class weights.
      labels: int [B], 0..C-1.
      scale: length of the descriptors on the softmax's scale.
      margin: angle in radians, 0..π.

    Source: Deng, Guo, Xue & Zafeiriou 2019, eq. 3.
    """
    cosines = cosines.astype(jnp.float32)
    sines = safe_sqrt(1 - jnp.square(cosines))
    turned = cosines * math.cos(margin) - sines * math.sin(margin)
    beyond = cosines <= math.cos(math.pi - margin)
    target = jnp.where(beyond, cosines - margin * math.sin(margin), turned)
    return scale * jnp.where(_is_label(cosines, labels), target, cosines)


def cosface_logits(
    cosines: Float[Array, "B C"],
    labels: Int[Array, " B"],
    *,
    scale: float = 64.0,
    margin: float = 0.35,
) -> Float32[Array, "B C"]:
    """Returns scale * cos θ, but scale * (cos θ - margin) for the label's class.

    Args:
      cosines: float [B, C], of unit descriptors and unit class weights.
      labels: int [B], 0..C-1.
      scale: length of the descriptors on the softmax's scale.
      margin: taken off the label's cosine.

    Source: Wang et al. 2018, eq. 4.
    """
    cosines = cosines.astype(jnp.float32)
    return scale * jnp.where(_is_label(cosines, labels), cosines - margin, cosines)


def _is_label(cosines: Array, labels: Array) -> Array:
    return labels[:, None] == jnp.arange(cosines.shape[1])[None]
