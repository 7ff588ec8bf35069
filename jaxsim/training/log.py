"""What a run tells while it goes on: one flat row at a time, to whoever listens."""

import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from jaxsim.core.errors import InputError, MissingExtraError
from jaxsim.core.files import atomic_write

Row = Mapping[str, float | int | str]
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
      InputError: the file cannot be written.
    """

    def __init__(self, path: Path, *, step: int, write: bool = True):
        self._path, self._file = path, None
        if write:
            kept = [row for row in read_rows(path) if int(row["step"]) <= step]
            with atomic_write(path) as file:
                file.writelines(_line(row) for row in kept)
            self._file = open(path, "ab", buffering=0)

    def __call__(self, row: Row) -> None:
        """Appends a row."""
        if self._file is None:
            return
        try:
            self._file.write(_line(row))
        except OSError as error:
            raise InputError(
                f"cannot write {self._path}: {error.strerror}. Free some space and run "
                "the same command again; it goes on from the last checkpoint"
            ) from error

    def __enter__(self) -> "MetricsFile":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()


def read_rows(path: Path) -> list[dict]:
    """Returns the rows of a metrics file, without a last line cut short by a crash."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            if line:
                rows.append(json.loads(line))
        except ValueError as error:
            if number == len(lines):
                break
            raise InputError(
                f"{path}, line {number} is not JSON ({error}). Move the file away, or "
                "mend the line"
            ) from error
    return rows


def tensorboard(folder: Path) -> Listener:
    """Returns a listener that writes event files for TensorBoard.

    Raises:
      MissingExtraError: tensorboardX is not installed.
    """
    try:
        from tensorboardX import SummaryWriter
    except ImportError as error:
        raise MissingExtraError("tensorboardX", "tensorboard") from error
    writer = SummaryWriter(os.fspath(folder))

    def write(row: Row) -> None:
        for name, value in row.items():
            if name != "step" and not isinstance(value, str):
                writer.add_scalar(name, value, int(row["step"]))
        writer.flush()

    return write


def tell(listeners: Iterable[Listener], row: Row) -> None:
    """Gives a row to everyone who listens."""
    for listener in listeners:
        listener(row)


def _line(row: Row) -> bytes:
    return json.dumps(dict(row)).encode() + b"\n"
