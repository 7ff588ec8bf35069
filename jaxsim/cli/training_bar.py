"""The progress of a training run: steps, rate, loss, time left."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from jaxsim.cli.progress import Lines


@contextmanager
def training_bar() -> Iterator[Callable[[Mapping], None]]:
    """Shows on standard error how far training is while the block runs.

    A bar on a terminal, a line every 10 s elsewhere. Both begin with the first step,
    whose compilation would spoil the time left; until then a line says what is going
    on.

    Yields:
      A listener to the rows of the run.
    """
    from tqdm import tqdm

    bar: tqdm | None = None
    lines: Lines | None = None
    steps: int | None = None

    def listen(row: Mapping) -> None:
        nonlocal bar, lines, steps
        if "steps" in row:
            steps = row["steps"]
            print(f"{_line(row)}; compiling the first step", file=sys.stderr)
        elif "loss" not in row:
            tqdm.write(_line(row), file=sys.stderr)
        elif bar is None and lines is None:
            done = row["step"]
            if sys.stderr.isatty():
                bar = tqdm(desc="train", initial=done, total=steps, unit=" steps")
            else:
                lines = Lines("train", steps, "steps", done=done)
        else:
            note = f"loss {row['loss']:.4f}, {row['images_per_s']:.0f} images/s"
            if bar is not None:
                bar.set_postfix_str(note, refresh=False)
                bar.update()
            elif lines is not None:
                lines.report(1, f", {note}")

    try:
        yield listen
    finally:
        if bar is not None:
            bar.close()
        elif lines is not None:
            lines.close()


def _line(row: Mapping) -> str:
    """Returns an evaluation or an event on one line."""
    values = [
        f"{name.removeprefix('eval/')} {value:.3f}"
        for name, value in row.items()
        if name.startswith("eval/")
    ]
    return f"step {row['step']}: {row.get('event') or ', '.join(values[:4])}"
