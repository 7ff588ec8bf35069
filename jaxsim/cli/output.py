"""What commands write: JSON files, tables and rates, all in one way."""

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from jaxsim.core.files import atomic_write

if TYPE_CHECKING:
    from jaxsim.data.rejects import Reject


def write_json(path: str, value: object) -> None:
    """Writes a JSON file atomically; "-" writes to standard output."""
    text = json.dumps(value, indent=2, allow_nan=False) + "\n"
    if path == "-":
        sys.stdout.write(text)
        return
    with atomic_write(path) as file:
        file.write(text.encode())


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Returns a text table with aligned columns.

    >>> print(table(["a", "b"], [["1", "long"]]))
    a  b
    1  long
    """
    lines = [header, *rows]
    widths = [max(len(str(line[i])) for line in lines) for i in range(len(header))]
    return "\n".join(
        "  ".join(
            str(cell).ljust(w) for cell, w in zip(line, widths, strict=True)
        ).rstrip()
        for line in lines
    )


def skipped(rejects: "Sequence[Reject]", *, listed_in: object = None) -> str:
    """Returns one line about what was left out: how many, the first, and why.

    Args:
      rejects: at least one.
      listed_in: the file that has them all.
    """
    first = f"{printable(rejects[0].name)} ({rejects[0].reason})"
    place = "" if listed_in is None else f"; see {printable(str(listed_in))}"
    if len(rejects) == 1:
        return f"1 file was skipped: {first}{place}"
    return f"{len(rejects)} files were skipped, the first: {first}{place}"


def printable(name: str) -> str:
    """Returns a file name on one line, whatever bytes it holds."""
    escaped = name.encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in escaped)
