"""Errors a user can act on.

The command line turns every `JaxsimError` into one message and exit code 2; any other
exception is a defect of jaxsim and keeps its traceback.
"""

import typing


class JaxsimError(Exception):
    """An error that says what was given, what was expected and how to fix it."""


class InputError(JaxsimError):
    """Files, arguments or arrays given by the user cannot be used."""


def require_choice(name: str, value: object, choices: object) -> None:
    """Raises InputError unless a value is one of those of a `Literal`.

    Args:
      name: of the option.
      value: what was given.
      choices: such as `Literal["all", "rows"]`.
    """
    known = typing.get_args(choices)
    if value not in known:
        raise InputError(f"{name}={value!r}: expected one of {', '.join(known)}")


class WeightsError(JaxsimError):
    """A weight file cannot be read, or does not fit the network."""


class IndexFormatError(JaxsimError):
    """A stored index is damaged, newer than this version, or of another model."""


class MissingExtraError(JaxsimError):
    """An optional package is needed; the message names the extra to install."""

    def __init__(self, package: str, extra: str):
        super().__init__(
            f"this needs the package '{package}', which is not installed. "
            f"Install it with: pip install 'jaxsim[{extra}]'"
        )
