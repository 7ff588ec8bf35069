"""How long work tells what it has done, without knowing how it is shown."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Protocol, runtime_checkable

Progress = Callable[[int], None]
"""Called with the number of units done since the last call."""


@runtime_checkable
class Bars(Protocol):
    """Opens a progress bar for one stage of a longer job."""

    def __call__(
        self, what: str, total: int | None, unit: str = "images"
    ) -> AbstractContextManager[Progress]:
        """Returns a context manager that yields the function to report to."""
        ...


def no_bars(
    what: str, total: int | None, unit: str = "images"
) -> AbstractContextManager[Progress]:
    """Shows nothing."""
    return nullcontext(lambda count: None)
