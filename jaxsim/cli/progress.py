"""Progress bars on standard error: done, rate and time left."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(
    what: str, total: int | None, unit: str = "images"
) -> Iterator[Callable[[int], None]]:
    """Shows a bar while the block runs.

    Args:
      what: what is being done, in a word or two.
      total: how many units there are; None if unknown.
      unit: what is counted.

    Yields:
      A function to call with the number of units just done.
    """
    from tqdm import tqdm

    with tqdm(desc=what, total=total, unit=f" {unit}", smoothing=0.1) as bar:

        def report(count: int) -> None:
            bar.update(count)

        yield report
