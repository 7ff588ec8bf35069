"""A small state of training with one array of every kind, and how to compare it."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from jaxsim.parallel.mesh import batch_sharding, make_mesh, replicated


class Moments(NamedTuple):
    count: Any
    trace: Any


def state(step: int, size: int = 16) -> dict[str, Any]:
    """Returns a state whose numbers all depend on the step."""
    generator = np.random.default_rng(step)
    mesh = make_mesh()
    kernel = generator.normal(size=(size, 8)).astype(np.float32)
    # Bit patterns that a detour through another type would change.
    kernel[0, :4] = np.nan, -0.0, np.inf, 1e-42
    half = jnp.asarray(generator.normal(size=(8, 3)), jnp.bfloat16)
    return {
        "params": {
            "head": {"kernel": jax.device_put(kernel, batch_sharding(mesh))},
            "half": jax.device_put(half, replicated(mesh)),
        },
        "moments": (
            Moments(jnp.int32(step), {"w": jax.device_put(half.T, replicated(mesh))}),
            None,
        ),
        "key": jax.random.PRNGKey(step),
        "mask": np.array([True, False]),
        "rows": generator.integers(-(2**62), 2**62, size=5),
    }


def like(tree: Any, *, sharding: NamedSharding | None = None) -> Any:
    """Returns what `restore` fills: shapes for JAX arrays, zeros for numpy's."""

    def empty(leaf):
        if isinstance(leaf, np.ndarray):
            return np.zeros_like(leaf)
        return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)

    return jax.tree.map(empty, tree)


def everywhere() -> NamedSharding:
    return NamedSharding(make_mesh(), PartitionSpec())


def require_same_bits(found: Any, expected: Any) -> None:
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    pairs = zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True)
    for one, other in pairs:
        assert isinstance(one, np.ndarray) == isinstance(other, np.ndarray)
        assert one.dtype == other.dtype and one.shape == other.shape
        assert np.asarray(one).tobytes() == np.asarray(other).tobytes()
