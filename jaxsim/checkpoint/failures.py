"""Failures of orbax and of the disk, in words for the user."""

import json
import logging
import os
import re
from pathlib import Path

_LOG = logging.getLogger("jaxsim.checkpoint")

# tensorstore raises ValueError: a code in capitals, a text, and what it concerns.
_TENSORSTORE = re.compile(r"[A-Z]+(_[A-Z]+)*: ")
_OS_ERROR = re.compile(r"os_error_code='(\d+)'")


def reason(error: Exception) -> str | None:
    """Returns why a file could not be written or read.

    Args:
      error: what orbax raised.

    Returns:
      A few words, or None if the error is not about files.
    """
    if isinstance(error, OSError):
        return error.strerror or str(error)
    text = str(error)
    if isinstance(error, json.JSONDecodeError):
        return text
    if isinstance(error, ValueError) and _TENSORSTORE.match(text):
        code = _OS_ERROR.search(text)
        return os.strerror(int(code[1])) if code else text.split(" [")[0]
    return None


def damage(error: Exception) -> str | None:
    """Returns why a checkpoint could not be read, see `reason`."""
    if type(error) is Exception or isinstance(error, KeyError):
        # What orbax raises for missing pieces of an array and of its own notes.
        text = str(error).split(". See")[0]
        return f"{type(error).__name__}: {text}"
    return reason(error)


class _OrbaxAside(logging.Filter):
    """Moves what orbax logs to the level DEBUG of our own logger.

    It logs the traceback of an error in each of its threads, and raises it as well.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        if "orbax" not in Path(record.pathname).parts:
            return True
        _LOG.debug("orbax: %s", record.getMessage(), exc_info=record.exc_info)
        return False


_ASIDE = _OrbaxAside()


def keep_orbax_quiet() -> None:
    """Keeps orbax's log off the screen; at level DEBUG it is still seen."""
    logging.getLogger("absl").addFilter(_ASIDE)
