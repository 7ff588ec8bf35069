"""Config files and overrides: text from the command line to a Fiddle config.

`configs/x.py:pooling=gem,size_px=320` names a file with a function `get_config` and
options for it; `--set model.weights=net.pth` then changes one field of the result.
"""

import ast
import copy
import dataclasses
import importlib.util
import inspect
import re
import types
import typing
from collections.abc import Callable, Sequence
from pathlib import Path

import fiddle as fdl
from fiddle import printing

from jaxsim.core.errors import InputError


@dataclasses.dataclass(frozen=True)
class ConfigOption:
    """One option of a config file.

    Attributes:
      name: as written before "=".
      values: its type, or the values it takes.
      default: as it would be written; None if the option must be given.
    """

    name: str
    values: str
    default: str | None


def load_config(reference: str, overrides: Sequence[str] = ()) -> fdl.Config:
    """Runs a config file and applies options and overrides.

    Args:
      reference: "path.py" or "path.py:option=value,option=value".
      overrides: "dotted.field=value", applied in order.

    Raises:
      InputError: no such file, option or field, or a value of another type.
    """
    path, options = _split_reference(reference)
    get_config = _import_get_config(path)
    config = get_config(**_typed_options(get_config, options, path))
    if not isinstance(config, fdl.Config):
        raise InputError(
            f"get_config in '{path}' returns {type(config).__name__} instead of a "
            "fiddle.Config"
        )
    for override in overrides:
        _apply_override(config, override)
    return config


def purpose_and_options(reference: str) -> tuple[str, list[ConfigOption]]:
    """Returns what a config file says of itself, and the options it has.

    Args:
      reference: as of `load_config`; the options in it do not matter.

    Raises:
      InputError: there is no such file, or it is no config file.
    """
    path, _ = _split_reference(reference)
    get_config = _import_get_config(path)
    hints = typing.get_type_hints(get_config)
    options = [
        ConfigOption(
            name=name,
            values=_shown(hints.get(name, str)),
            default=None
            if parameter.default is parameter.empty
            else str(parameter.default),
        )
        for name, parameter in inspect.signature(get_config).parameters.items()
    ]
    return inspect.cleandoc(get_config.__globals__["__doc__"] or ""), options


def options_given(reference: str) -> list[str]:
    """Returns the names of the options that a reference has after its colon.

    Raises:
      InputError: there is no such file, or an option has no value.
    """
    return list(_split_reference(reference)[1])


def without_options(reference: str) -> fdl.Config:
    """Returns the config of a file with no options but those it cannot do without."""
    path, options = _split_reference(reference)
    get_config = _import_get_config(path)
    parameters = inspect.signature(get_config).parameters
    needed = {
        name: text
        for name, text in options.items()
        if parameters[name].default is inspect.Parameter.empty
    }
    return get_config(**_typed_options(get_config, needed, path))


def describe(config: fdl.Config) -> str:
    """Returns all fields of a config that are set, one a line, alike in any process."""
    lines = printing.as_str_flattened(config, include_types=False).splitlines()
    # Functions and objects are shown with their place in memory.
    return "\n".join(
        re.sub(" at 0x[0-9a-f]+", "", line) for line in lines if "<[unset" not in line
    )


def settable_fields(config: fdl.Config) -> list[str]:
    """Returns "field = value" of all fields of a config, those left to defaults last.

    What cannot be written as text, such as a function, has no place here.
    """
    whole = copy.deepcopy(config)
    for name in inspect.signature(fdl.get_callable(whole)).parameters:
        _part(whole, name)
    unset = re.compile(r"(.*) = <\[unset; default: (.*)\]>")
    lines = printing.as_str_flattened(whole, include_types=False).splitlines()
    defaults = [
        f"{match[1]} = {match[2]}"
        for match in map(unset.fullmatch, lines)
        # Every flax module has a parent and a name.
        if match and match[1].rpartition(".")[2] not in ("parent", "name")
    ]
    fields = describe(config).splitlines() + defaults
    return [field for field in fields if _can_be_set(config, field)]


def _can_be_set(config: fdl.Config, field: str) -> bool:
    name, _, value = field.partition(" = ")
    if value.startswith("<"):
        return False
    try:
        _apply_override(copy.deepcopy(config), f"{name}={value.strip(chr(39))}")
    except InputError:
        return False
    return True


def parse_options(
    text: str, function: Callable[..., fdl.Config], source: str
) -> fdl.Config:
    """Calls a config function with "option=value,option=value".

    Args:
      text: the options.
      function: returns the config.
      source: what errors call the place of the options, such as "--model".

    Raises:
      InputError: no such option, or a value of another type.
    """
    options = _split_options(text)
    return function(**_typed_options(function, options, source))


def _split_reference(reference: str) -> tuple[Path, dict[str, str]]:
    file, _, text = reference.partition(".py:")
    path = Path(file + ".py") if text else Path(reference)
    if not path.is_file():
        raise InputError(
            f"there is no config file '{path}'. Give a Python file with a function "
            "get_config, such as configs/smvs.py or configs/smvs.py:pooling=gem"
        )
    return path, _split_options(text)


def _split_options(text: str) -> dict[str, str]:
    """Splits at commas that are not inside brackets."""
    items = re.split(r",(?![^(\[]*[)\]])", text)
    return dict(_split_assignment(item) for item in items if item)


def _split_assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InputError(f"'{text}' is not of the form name=value")
    return name.strip(), value.strip()


def _import_get_config(path: Path) -> Callable[..., fdl.Config]:
    spec = importlib.util.spec_from_file_location(f"jaxsim_config_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise InputError(f"'{path}' is not a Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise InputError(f"the config file '{path}' does not parse: {error}") from error
    except (ImportError, NameError, AttributeError) as error:
        raise InputError(f"the config file '{path}' does not run: {error}") from error
    if not hasattr(module, "get_config"):
        raise InputError(f"the config file '{path}' has no function get_config")
    return module.get_config


def _typed_options(get_config, options: dict[str, str], source: object) -> dict:
    parameters = inspect.signature(get_config).parameters
    types_of = typing.get_type_hints(get_config)
    typed = {}
    for name, text in options.items():
        if name not in parameters:
            raise InputError(
                f"{source} has no option '{name}'; it has: {', '.join(parameters)}"
            )
        typed[name] = _convert(text, types_of.get(name, str), name)
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in typed:
            raise InputError(f"{source} needs the option '{name}': {source}:{name}=…")
    return typed


def _convert(text: str, wanted: object, name: str) -> object:
    """Reads `text` as `wanted`: a literal choice, a string, or a Python literal."""
    if typing.get_origin(wanted) is typing.Literal:
        choices = {str(choice): choice for choice in typing.get_args(wanted)}
        if text not in choices:
            raise InputError(f"{name}={text}: expected one of {', '.join(choices)}")
        return choices[text]
    if wanted is str:
        return text
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        value = text
    if not _fits(value, wanted):
        raise InputError(f"{name}={text}: expected a value of type {_shown(wanted)}")
    return _with_floats(value, wanted)


def _fits(value: object, wanted: typing.Any) -> bool:
    """Whether a literal is of a type; what no literal can be is left to its user."""
    parts = typing.get_args(wanted)
    origin = typing.get_origin(wanted) or wanted
    if origin in (typing.Union, types.UnionType):
        return any(_fits(value, part) for part in parts)
    if origin is typing.Literal:
        return value in parts
    if origin is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    if origin is int:
        return isinstance(value, int) and not isinstance(value, bool)
    if not isinstance(origin, type):
        return True
    if origin is tuple and parts and isinstance(value, tuple):
        parts = _parts_of_tuple(value, parts)
        return len(value) == len(parts) and all(map(_fits, value, parts))
    return isinstance(value, origin)


def _with_floats(value: typing.Any, wanted: typing.Any) -> object:
    """Writes whole numbers as fractions where these are wanted."""
    if wanted is float:
        return float(value)
    if typing.get_origin(wanted) is tuple:
        parts = _parts_of_tuple(value, typing.get_args(wanted))
        return tuple(map(_with_floats, value, parts))
    return value


def _parts_of_tuple(value: tuple, parts: tuple) -> tuple:
    return parts[:1] * len(value) if parts[-1] is Ellipsis else parts


def _shown(wanted: typing.Any) -> str:
    if typing.get_origin(wanted) is typing.Literal:
        return ", ".join(map(str, typing.get_args(wanted)))
    return wanted.__name__ if isinstance(wanted, type) else str(wanted)


def _apply_override(config: fdl.Config, override: str) -> None:
    dotted, text = _split_assignment(override)
    *parents, field = dotted.split(".")
    node = config
    for depth, parent in enumerate(parents):
        node = _part(node, parent)
        if not isinstance(node, fdl.Buildable):
            where = ".".join(parents[: depth + 1])
            raise InputError(
                f"--set {override}: the config has no part '{where}'. Its parts:\n"
                f"{config!r}"
            )
    known = inspect.signature(fdl.get_callable(node)).parameters
    if field not in known:
        raise InputError(
            f"--set {override}: no field '{field}' there; fields: {', '.join(known)}"
        )
    if isinstance(node.__arguments__.get(field), fdl.Buildable):
        raise InputError(
            f"--set {override}: '{field}' is a part of its own; set one of its fields, "
            f"such as {dotted}.…"
        )
    hints = typing.get_type_hints(fdl.get_callable(node))
    setattr(node, field, _convert(text, hints.get(field, str), dotted))


def _part(node: fdl.Buildable, name: str) -> object:
    """Returns a part of a config; one that is left to its default becomes a part."""
    kind = fdl.get_callable(node)
    if name not in node.__arguments__ and dataclasses.is_dataclass(kind):
        for field in dataclasses.fields(kind):
            if field.name == name and isinstance(field.default_factory, type):
                setattr(node, name, fdl.Config(field.default_factory))
    return getattr(node, name, None)
