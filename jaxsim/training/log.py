"""What a run tells while it goes on: one flat row at a time, to whoever listens."""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from jaxsim.core.errors import InputError
from jaxsim.core.files import atomic_write

Row = Mapping[str, Any]
"""{"step": …, "time_s": …} and numbers by name, or an "event"."""

Listener = Callable[[Row], None]


class MetricsFile:
    """metrics.jsonl: one JSON object a line, on its way to the disk as it is written.

    Opened at a step, it drops rows of later steps, which a run that was killed wrote
    after its last checkpoint and will write again.

    Args:
      path: the file; created.
      step: what the run goes on from.
      write: False in all processes but one, where the rows are not kept.

    Raises:
      InputError: the file cannot be written, or is broken before its last line.
    """

    def __init__(self, path: Path, *, step: int, write: bool = True):
        self._path, self._file = path, None
        if write:
            rows = read_rows(path) if path.exists() else []
            with atomic_write(path) as file:
                file.writelines(_line(row) for row in rows if row["step"] <= step)
            self._file = open(path, "ab", buffering=0)

    def __call__(self, row: Row) -> None:
        """Appends a row."""
        if self._file is None:
            return
        line = _line(row)
        try:
            # A disk with room for a part takes that part and says so only here.
            whole, why = self._file.write(line) == len(line), "no space left"
        except OSError as error:
            whole, why = False, error.strerror
        if not whole:
            raise InputError(
                f"cannot write {self._path}: {why}. Free some space and run the same "
                "command again; it goes on from the last checkpoint"
            )

    def __enter__(self) -> "MetricsFile":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()


def read_rows(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Reads the rows of a metrics file in the order they were written.

    A run that was killed may have left half a last line, which is skipped.

    Args:
      path: the file, usually metrics.jsonl.

    Raises:
      InputError: the file cannot be read, or a line before the last is no row.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise InputError(
            f"cannot read the history {path}: {error.strerror or error}. Give the "
            "metrics.jsonl in the folder of a training run"
        ) from error
    lines = [(n, text) for n, text in enumerate(data.split(b"\n"), 1) if text.strip()]
    rows = []
    for number, text in lines:
        try:
            rows.append(_row(text))
        except ValueError as error:
            if number == lines[-1][0]:
                break
            raise InputError(
                f"line {number} of {path} is broken: {error}. Expected one JSON object "
                'with a whole number "step". Remove the line to go on without it'
            ) from error
    return rows


def tell(listeners: Iterable[Listener], row: Row) -> None:
    """Gives a row to everyone who listens."""
    for listener in listeners:
        listener(row)


def _line(row: Row) -> bytes:
    return json.dumps(dict(row)).encode() + b"\n"


def _row(text: bytes) -> dict[str, Any]:
    # A file may end in the middle of a character, so each line is decoded by itself;
    # both decoding and parsing raise kinds of ValueError.
    row = json.loads(text.decode())
    if not isinstance(row, dict) or type(row.get("step")) is not int:
        raise ValueError("no object with a step")
    return row
