"""What a state consists of: names, shapes and dtypes of its arrays."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.core.errors import InputError

Layout = dict[str, list]
"""Name of an array -> [dtype, shape], as JSON can hold it."""


def named_leaves(state: Any) -> dict[str, Any]:
    """Returns the leaves of a pytree by their "/"-joined paths.

    Args:
      state: nested dicts, tuples, lists and dataclasses.

    Raises:
      InputError: two leaves have the same path.

    >>> named_leaves({"params": {"w": 1.0}, "moments": (2.0, None)})
    {'moments/0': 2.0, 'params/w': 1.0}
    """
    found: dict[str, Any] = {}
    for path, leaf in jax.tree_util.tree_flatten_with_path(state)[0]:
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        if name in found:
            raise InputError(
                f"two parts of the state are called '{name}'; rename one of them"
            )
        found[name] = leaf
    return found


def require_storable(leaves: Mapping[str, Any]) -> None:
    """Raises InputError unless all leaves are arrays that come back bit by bit."""
    if not leaves:
        raise InputError("the state to be kept holds no array")
    for name, leaf in leaves.items():
        if not isinstance(leaf, jax.Array | np.ndarray):
            raise InputError(
                f"'{name}' of the state is a {type(leaf).__name__}; only JAX and numpy "
                "arrays are kept. Make it an array, or put it into `extra`"
            )
        if not (jnp.issubdtype(leaf.dtype, jnp.number) or leaf.dtype == np.bool_):
            raise InputError(
                f"'{name}' of the state has the dtype {leaf.dtype}; only numbers and "
                "truth values are kept. Of a random key, keep `jax.random.key_data`"
            )
        if leaf.size == 0:
            raise InputError(
                f"'{name}' of the state is empty, of shape {list(leaf.shape)}; leave "
                "it out"
            )


def layout_of(leaves: Mapping[str, Any]) -> Layout:
    """Returns dtype and shape of each leaf."""
    return {
        name: [np.dtype(leaf.dtype).name, list(leaf.shape)]
        for name, leaf in leaves.items()
    }


def require_same(stored: Layout, wanted: Layout, *, source: str) -> None:
    """Raises InputError that names the first array that differs.

    Args:
      stored: what the checkpoint holds.
      wanted: what is to be filled from it.
      source: the checkpoint, for messages.
    """
    hint = "Restore it into the model and optimiser it was saved from"
    for name, description in wanted.items():
        if name not in stored:
            raise InputError(
                f"{source} has no '{name}', which {_text(description)} is to be filled "
                f"from. {hint}"
            )
        if stored[name] != description:
            raise InputError(
                f"'{name}' is {_text(stored[name])} in {source}, but "
                f"{_text(description)} is to be filled from it. {hint}"
            )
    for name, description in stored.items():
        if name not in wanted:
            raise InputError(
                f"{source} holds '{name}', {_text(description)}, for which there is no "
                f"place. {hint}"
            )


def _text(description: list) -> str:
    dtype, shape = description
    return f"{dtype} {shape}"
