"""Where the parts of a state lie: whole on every device, or cut along one dimension."""

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Any

import jax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from jaxsim.parallel.mesh import FSDP_AXIS, replicated

SMALLEST_CUT = 4096
"""Numbers below which an array stays whole: to gather it costs more than it saves."""


def cut_dimension(
    path: str, shape: Sequence[int], parts: int, *, whole: Sequence[str] = ()
) -> int | None:
    """Returns the dimension along which an array is cut, None to hold it whole.

    It is the longest one that can be cut evenly, the last of equals: in a kernel mostly
    the output channels.

    Args:
      path: "/"-joined, of the array in its state.
      shape: of the array.
      parts: in which it would be cut.
      whole: patterns of paths, or of their ends, of arrays that are not cut.

    >>> cut_dimension("params/layer/kernel", (3, 3, 64, 256), 4)
    3
    >>> cut_dimension("params/layer/bias", (64,), 4)
    """
    size = 1
    for length in shape:
        size *= length
    if parts == 1 or size < SMALLEST_CUT or _matches(path, whole):
        return None
    even = [(n, at) for at, n in enumerate(shape) if n % parts == 0]
    return max(even)[1] if even else None


def _matches(path: str, patterns: Sequence[str]) -> bool:
    return any(
        fnmatchcase(path, pattern) or fnmatchcase(path, f"*/{pattern}")
        for pattern in patterns
    )


def layout(tree: Any, mesh: Mesh, *, whole: Sequence[str] = ()) -> Any:
    """Returns the sharding of each array of a pytree, by the rules for its path.

    Moments of an optimiser and averages end in the paths of their parameters, so that
    one pattern holds all of them.

    Args:
      tree: arrays, or what has their shapes.
      mesh: the devices.
      whole: patterns of paths of arrays that are not cut, see `cut_dimension`.
    """
    parts = mesh.shape[FSDP_AXIS]

    def of(path, leaf) -> NamedSharding:
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        at = cut_dimension(name, leaf.shape, parts, whole=whole)
        if at is None:
            return replicated(mesh)
        return NamedSharding(mesh, PartitionSpec(*[None] * at, FSDP_AXIS))

    return jax.tree_util.tree_map_with_path(of, tree)
