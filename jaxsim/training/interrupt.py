"""Requests to stop that arrive as signals."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

STDERR = 2


@dataclass
class StopRequest:
    """Whether the run was asked to stop.

    Attributes:
      signal: name of the signal that asked, None while nobody has.
    """

    signal: str | None = None


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Turns SIGTERM and the first Ctrl-C into a request to stop after the step.

    The request is acknowledged on standard error, since a step can take long; a Ctrl-C
    after it interrupts at once. Only for the main thread, as Python
    delivers signals to no other.
    """
    request = StopRequest()

    def ask(number: int, frame: object) -> None:
        if request.signal and number == signal.SIGINT:
            raise KeyboardInterrupt
        request.signal = request.signal or signal.Signals(number).name
        # Not print, which a signal may have interrupted.
        os.write(
            STDERR,
            f"{request.signal}: keeping a checkpoint after this step, then stopping; "
            "Ctrl-C stops at once\n".encode(),
        )

    before = {n: signal.signal(n, ask) for n in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            # None stands for a handler that was not set from Python, and cannot be.
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
