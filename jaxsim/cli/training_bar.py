"""The progress bar of a training run: steps, rate, loss, time left."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager


@contextmanager
def training_bar() -> Iterator[Callable[[Mapping], None]]:
    """Shows a bar on standard error while the block runs.

    It appears with the first step, whose compilation would spoil the time left; until
    then a line says what is going on.

    Yields:
      A listener to the rows of the run.
    """
    from tqdm import tqdm

    every_s = 0.5 if sys.stderr.isatty() else 10.0
    bar: tqdm | None = None
    steps: int | None = None

    def listen(row: Mapping) -> None:
        nonlocal bar, steps
        if "steps" in row:
            steps = row["steps"]
            print(f"{_line(row)}; compiling the first step", file=sys.stderr)
        elif "loss" not in row:
            tqdm.write(_line(row), file=sys.stderr)
        elif bar is None:
            bar = tqdm(
                desc="train",
                initial=row["step"],
                total=steps,
                unit=" steps",
                mininterval=every_s,
            )
        else:
            shown = {
                "loss": f"{row['loss']:.4f}",
                "images/s": f"{row['images_per_s']:.0f}",
            }
            bar.set_postfix(shown, refresh=False)
            bar.update(row["step"] - bar.n)

    try:
        yield listen
    finally:
        if bar is not None:
            bar.close()


def _line(row: Mapping) -> str:
    """Returns an evaluation or an event on one line."""
    values = [
        f"{name.removeprefix('eval/')} {value:.3f}"
        for name, value in row.items()
        if name.startswith("eval/")
    ]
    return f"step {row['step']}: {row.get('event') or ', '.join(values[:4])}"
