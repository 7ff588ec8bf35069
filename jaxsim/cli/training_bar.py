"""The progress bar of a training run: steps, rate, loss, time left."""

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager


@contextmanager
def training_bar() -> Iterator[Callable[[Mapping], None]]:
    """Shows a bar on standard error while the block runs.

    The first event of a run says how many steps there are, and starts the clock.

    Yields:
      A listener to the rows of the run.
    """
    from tqdm import tqdm

    every_s = 0.5 if sys.stderr.isatty() else 10.0
    bar = tqdm(desc="train", unit=" steps", mininterval=every_s)

    def listen(row: Mapping) -> None:
        if "loss" in row:
            bar.initial = bar.initial or row["step"] - 1
            shown = {"loss": f"{row['loss']:.4f}"}
            bar.set_postfix(
                shown | {"images/s": f"{row['images_per_s']:.0f}"}, refresh=False
            )
            bar.update(row["step"] - bar.n)
        else:
            if "steps" in row:
                bar.reset(total=int(row["steps"]))
            bar.write(_line(row), file=sys.stderr)

    with bar:
        yield listen


def _line(row: Mapping) -> str:
    """Returns an evaluation or an event on one line."""
    values = [
        f"{name.removeprefix('eval/')} {value:.3f}"
        for name, value in row.items()
        if name.startswith("eval/")
    ]
    return f"step {row['step']}: {row.get('event') or ', '.join(values[:4])}"
