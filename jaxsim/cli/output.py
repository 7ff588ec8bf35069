"""What commands write: JSON files, tables and rates, all in one way."""

import json
import sys
from collections.abc import Sequence

from jaxsim.core.files import atomic_write


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


def printable(name: str) -> str:
    """Returns a file name on one line, whatever bytes it holds."""
    escaped = name.encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in escaped)
