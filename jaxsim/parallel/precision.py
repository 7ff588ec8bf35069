"""The number formats of arithmetic."""

import jax
import jax.numpy as jnp

from jaxsim.core.environment import processor_flags

BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}
"""Abilities of processors that multiply bfloat16 faster than float32."""


def compute_dtype() -> type:
    """Returns bfloat16 on accelerators and float32 on CPUs.

    Parameters, pooling, losses and scores are float32 everywhere.
    """
    return jnp.float32 if jax.default_backend() == "cpu" else jnp.bfloat16


def scoring_dtype() -> type:
    """Returns the format in which a trained network of pairs multiplies.

    bfloat16 on accelerators and on processors made for it, float32 elsewhere; sums are
    float32 everywhere.
    """
    if jax.default_backend() == "cpu" and not BFLOAT16_FLAGS & processor_flags():
        return jnp.float32
    return jnp.bfloat16
