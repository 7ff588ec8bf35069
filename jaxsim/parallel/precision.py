"""The number format of backbone arithmetic."""

import jax
import jax.numpy as jnp


def compute_dtype() -> type:
    """Returns bfloat16 on accelerators and float32 on CPUs.

    Parameters, pooling, losses and scores are float32 everywhere.
    """
    return jnp.float32 if jax.default_backend() == "cpu" else jnp.bfloat16
