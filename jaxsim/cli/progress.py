"""Progress on standard error: a bar on a terminal, a line now and then in a log."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

EVERY_S = 10.0


@contextmanager
def progress_bar(
    what: str, total: int | None, unit: str = "images"
) -> Iterator[Callable[[int], None]]:
    """Shows how far the block is while it runs.

    Where standard error is no terminal (a file, a pipe, CI), a bar that redraws itself
    would leave hundreds of lines; there it writes one every 10 s and one at the end.

    Args:
      what: what is being done, in a word or two.
      total: how many units there are; None if unknown.
      unit: what is counted.

    Yields:
      A function to call with the number of units just done.
    """
    if not sys.stderr.isatty():
        lines = Lines(what, total, unit)
        yield lines.report
        lines.close()
        return
    from tqdm import tqdm

    with tqdm(desc=what, total=total, unit=f" {unit}", smoothing=0.1) as bar:

        def report(count: int) -> None:
            bar.update(count)

        yield report


class Lines:
    """Counts, and writes a line from time to time.

    Args:
      what: see `progress_bar`.
      total: see there.
      unit: see there.
      done: how many units were done before.
    """

    def __init__(
        self, what: str, total: int | None, unit: str, *, done: int = 0
    ) -> None:
        self._what, self._total, self._unit = what, total, unit
        self._before = self._done = done
        self._told: int | None = None
        self._started_s = self._written_s = time.monotonic()

    def report(self, count: int, note: str = "") -> None:
        """Counts some more; `note` ends the line if one is due."""
        self._done += count
        if time.monotonic() - self._written_s >= EVERY_S:
            self.write(note)

    def write(self, note: str = "") -> None:
        """Writes "embed: 1200 of 5421 images, 83.2 images/s, 51 s left"."""
        self._told = self._done
        self._written_s = time.monotonic()
        seconds = self._written_s - self._started_s
        rate = (self._done - self._before) / max(seconds, 1e-3)
        total = "" if self._total is None else f" of {self._total}"
        line = f"{self._what}: {self._done}{total} {self._unit}, "
        left = (self._total or 0) - self._done
        if left > 0 and rate:
            line += f"{rate:.1f} {self._unit}/s, {left / rate:.0f} s left"
        else:
            line += f"{seconds:.1f} s"
        print(line + note, file=sys.stderr, flush=True)

    def close(self) -> None:
        """Writes a last line, unless one has told as many units."""
        if self._done != self._told:
            self.write()
