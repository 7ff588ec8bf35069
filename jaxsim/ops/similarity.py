"""Inner products of descriptors."""

from functools import cache

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Float32

_FEWEST_QUERIES = 16
_FIRST_WITH_TF32 = 8


def inner_product(
    queries: Float[Array, "Q D"], database: Float[Array, "N D"]
) -> Float32[Array, "Q N"]:
    """Returns the score of every query against every database row.

    Full float32 precision is asked for, because accelerators otherwise multiply in
    fewer bits, and close scores would change places.

    Args:
      queries: float [Q, D].
      database: float [N, D].

    Returns:
      float32 [Q, N], higher is more similar.
    """
    return jnp.einsum(
        "qd,nd->qn",
        queries,
        database,
        precision=jax.lax.Precision.HIGHEST,
        preferred_element_type=jnp.float32,
    )


def search_scores(
    rows: Float32[Array, "B D"], queries: Float32[Array, "Q D"]
) -> Float32[Array, "B Q"]:
    """Returns `inner_product(rows, queries)`, faster for many queries on some GPUs.

    The tensor cores of NVIDIA GPUs multiply in TF32, which keeps 11 bits. Three such
    products, of both halves of every number but for the two lower ones, err as
    little as float32 does. Few queries are bound by reading the rows once, where this
    is slower (docs/performance.md).

    Args:
      rows: float32 [B, D], of the database.
      queries: float32 [Q, D].
    """
    if len(queries) < _FEWEST_QUERIES or not _has_tf32():
        return inner_product(rows, queries)
    # Not everything runs on the devices that are first: a mesh may be of others.
    return jax.lax.platform_dependent(
        rows, queries, cuda=_by_three_products, default=inner_product
    )


def _by_three_products(rows: Array, queries: Array) -> Array:
    precision = jax.lax.DotAlgorithmPreset.TF32_TF32_F32_X3
    return jnp.einsum("nd,qd->nq", rows, queries, precision=precision)


@cache
def _has_tf32() -> bool:
    """Returns whether there is an NVIDIA GPU of compute capability 8 or more."""
    capability = str(getattr(jax.devices()[0], "compute_capability", ""))
    major = capability.partition(".")[0]  # AMD's are names, such as gfx942.
    return major.isdecimal() and int(major) >= _FIRST_WITH_TF32
