"""Configs as JSON that can rebuild a model, and nothing else."""

import fiddle as fdl
from fiddle.experimental import serialization

from jaxsim.core.errors import IndexFormatError, InputError

_PACKAGES = ("jaxsim", "optax", "flax", "fiddle")
_BUILTINS = ("bool", "dict", "float", "int", "list", "str", "tuple")


class _OnlyOurNames(serialization.PyrefPolicy):
    """Resolves classes of a few packages only: a stored config cannot run code."""

    def allows_import(self, module: str, symbol: str) -> bool:
        if module == "builtins":
            return symbol in _BUILTINS
        return module.split(".")[0] in _PACKAGES

    def allows_value(self, value: object) -> bool:
        home = getattr(value, "__module__", "").split(".")[0]
        return isinstance(value, type) and home in (*_PACKAGES, "builtins")


def config_to_json(config: fdl.Config) -> str:
    """Returns the config as JSON.

    Raises:
      InputError: it holds what cannot be found again by the name of a module.
    """
    try:
        return serialization.dump_json(config)
    except (serialization.UnserializableValueError, AttributeError) as error:
        what = str(error).split(";")[0].splitlines()[0]
        raise InputError(
            f"the config cannot be stored: {what}. Functions and classes that a config "
            "uses must be in a module that can be imported, not in the config file "
            "itself"
        ) from error


def config_from_json(text: str, *, source: str) -> fdl.Config:
    """Reads a config, resolving only names of jaxsim, optax and flax.

    Args:
      text: what `config_to_json` wrote.
      source: where it was read, for messages.

    Raises:
      IndexFormatError: it is damaged, names something else, or something this version
        does not have.
    """
    try:
        return serialization.load_json(text, pyref_policy=_OnlyOurNames())
    except (
        ValueError,
        KeyError,
        TypeError,
        ImportError,
        AttributeError,
        serialization.DeserializationError,
        serialization.PyrefPolicyError,
    ) as error:
        raise IndexFormatError(
            f"the model description in {source} cannot be used ({error}). It is "
            "damaged or was written by another version of jaxsim; build it again"
        ) from error
