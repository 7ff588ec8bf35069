"""Putting the weights of other libraries into our networks."""

import logging
from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxsim.core.errors import WeightsError
from jaxsim.nn.weights.tables import NameTable, Target

log = logging.getLogger(__name__)


def import_weights(
    state_dict: Mapping[str, np.ndarray],
    table: NameTable,
    template: Mapping[str, Any],
    *,
    source: str,
) -> dict[str, Any]:
    """Returns variables of the template's structure with foreign values.

    Foreign names may all start with a common prefix, such as "module." or "backbone.".
    Foreign parts that the template lacks (a classifier when only the backbone is
    wanted) are left out and logged.

    Args:
      state_dict: foreign parameters by name.
      table: where each of them belongs.
      template: variables {"params": …, "batch_stats": …} of arrays or
        `jax.ShapeDtypeStruct`, as `module.init` or `jax.eval_shape` of it gives.
      source: where the parameters come from, for messages.

    Returns:
      The variables, in the number types of the template.

    Raises:
      WeightsError: parameters of the template are missing or of another shape (the
        message names them all), or a part of the network has more of them there, as
        the stages of a deeper one do.
    """
    prefix = find_prefix(state_dict, table)
    rows = {target.path: (prefix + name, target) for name, target in table.items()}
    leaves: dict[tuple[str, ...], Any] = dict(flatten_dict(template))
    problems = [
        f"{'/'.join(path)}: {problem}"
        for path, leaf in leaves.items()
        if (problem := _mismatch(rows.get(path), leaf.shape, state_dict))
    ]
    used = {rows[path][0] for path in leaves if path in rows}
    unused = [
        name
        for name in state_dict
        if name not in used and not name.endswith("num_batches_tracked")
    ]
    problems += _surplus(unused, used, table, prefix)
    if problems:
        listing = "\n  ".join(problems)
        raise WeightsError(
            f"{source} does not fit the network:\n  {listing}\nChoose the network "
            "that these weights were made for, or other weights."
        )
    if unused:
        log.info("%s: not used by this network: %s", source, _shorten(unused))
    values = {}
    for path, leaf in leaves.items():
        name, target = rows[path]
        values[path] = jnp.asarray(target.to_ours(state_dict[name]), leaf.dtype)
    return unflatten_dict(values)


def _mismatch(
    row: tuple[str, Target] | None,
    shape: tuple[int, ...],
    state_dict: Mapping[str, np.ndarray],
) -> str | None:
    """Says why a parameter of our `shape` cannot be filled, if it cannot."""
    if row is None:
        return "has no name in this naming"
    name, target = row
    if name not in state_dict:
        return f"'{name}' is missing"
    given, expected = state_dict[name].shape, target.foreign_shape(shape)
    if given != expected:
        return f"'{name}' has shape {given}, expected {expected}"
    return None


def _surplus(
    unused: list[str], used: set[str], table: NameTable, prefix: str
) -> list[str]:
    """Returns a problem if parts of the network have more parameters in the file.

    A part is what the first word of a name stands for, such as "layer3" or "fc".
    """

    def part(name: str) -> str:
        return name.removeprefix(prefix).split(".")[0]

    parts = {part(name) for name in used}
    surplus = [
        name
        for name in unused
        if name.startswith(prefix)
        and part(name) in parts
        and name.removeprefix(prefix) not in table
    ]
    return [f"it has no place for {_shorten(surplus)}"] if surplus else []


def _shorten(names: list[str]) -> str:
    """Lists the first names and counts the others."""
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(names[:5]) + more


def choose_table(
    state_dict: Mapping[str, np.ndarray],
    tables: Mapping[str, NameTable],
    *,
    source: str,
) -> str:
    """Returns the key of the naming that most parameters follow.

    Among equals the one with fewest unused rows wins, then the shortest prefix, then
    the first.

    Args:
      state_dict: foreign parameters by name.
      tables: naming, such as "torchvision" or "timm", to its table; not empty.
      source: where the parameters come from, for messages.

    Raises:
      WeightsError: fewer than half of the names of every table are there.
    """

    def fit(key: str) -> tuple[int, int, int]:
        table = tables[key]
        prefix = find_prefix(state_dict, table)
        found = sum(prefix + name in state_dict for name in table)
        return found, found - len(table), -len(prefix)

    best = max(tables, key=fit)
    if 2 * fit(best)[0] < len(tables[best]):
        tried = "\n  ".join(
            f"{key}: {fit(key)[0]} of {len(table)} names found, such as "
            f"'{next(iter(table))}'"
            for key, table in tables.items()
        )
        raise WeightsError(
            f"{source} follows no known naming of this network. Its names are like "
            f"{', '.join(list(state_dict)[:3])}. Tried:\n  {tried}"
        )
    return best


def find_prefix(state_dict: Mapping[str, np.ndarray], table: NameTable) -> str:
    """Returns what stands before the table's names in most parameters, mostly "".

    A prefix is empty or ends with a dot; among equally frequent ones the shortest wins.
    """
    counts = {"": 0}
    for name in state_dict:
        parts = name.split(".")
        for i in range(len(parts)):
            if ".".join(parts[i:]) in table:
                prefix = "".join(f"{part}." for part in parts[:i])
                counts[prefix] = counts.get(prefix, 0) + 1
    return max(counts, key=lambda prefix: (counts[prefix], -len(prefix)))
