"""Event files for TensorBoard, written as the rows come."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from jaxsim.core.errors import InputError, MissingExtraError
from jaxsim.training.log import Listener, Row

# Each flush waits for the disk.
FLUSH_EVERY_S = 10.0


@contextmanager
def tensorboard(folder: Path) -> Iterator[Listener]:
    """Opens a listener that writes each number of a row into an event file.

    The file is made at the first row. It tells TensorBoard to forget what an earlier
    run in the folder wrote of later steps.

    Args:
      folder: gets the file; created.

    Yields:
      The listener. It raises InputError if it cannot write.

    Raises:
      MissingExtraError: tensorboardX is not installed.
    """
    try:
        from tensorboardX.event_file_writer import EventsWriter
        from tensorboardX.proto import event_pb2
        from tensorboardX.summary import scalar
    except ImportError as error:
        raise MissingExtraError("tensorboardX", "tensorboard") from error
    # Made when the package is imported, where the type checker does not see them.
    Event, SessionLog = event_pb2.Event, event_pb2.SessionLog  # pyright: ignore
    writer, flushed = None, 0.0

    def start(row: Row) -> EventsWriter:
        folder.mkdir(parents=True, exist_ok=True)
        # Two files of one second would have the same name without a suffix.
        events = EventsWriter(os.fspath(folder / "events"), f".{time.time_ns()}")
        step = row["step"] + ("event" in row)
        session = SessionLog(status=SessionLog.START)
        events.write_event(Event(wall_time=time.time(), step=step, session_log=session))
        return events

    # Not by SummaryWriter, whose thread dies of a full disk and is then waited for.
    def write(row: Row) -> None:
        nonlocal writer, flushed
        try:
            writer = writer or start(row)
            for name, value in row.items():
                if name != "step" and "event" not in row:
                    summary = scalar(name, value)
                    writer.write_event(
                        Event(wall_time=time.time(), step=row["step"], summary=summary)
                    )
            if "loss" not in row or time.monotonic() - flushed > FLUSH_EVERY_S:
                writer.flush()
                flushed = time.monotonic()
        except OSError as error:
            raise InputError(
                f"cannot write to {folder}: {error.strerror}. Free some space and run "
                "the same command again; it goes on from the last checkpoint"
            ) from error

    try:
        yield write
    finally:
        if writer is not None:
            # A full disk was an error when the row came; there is nothing to add.
            with suppress(OSError):
                writer.close()
