"""The right to write to an index: one process at a time, in a folder of its own."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from jaxsim.core.errors import InputError
from jaxsim.index.manifest import MANIFEST

LOCK = ".jaxsim-lock"
"""Marks a folder as an index from its very beginning, and is what writers lock."""


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Holds the lock until the block ends or the process dies.

    Args:
      path: folder of the index; created if it does not exist.

    Raises:
      InputError: another process is writing, the folder holds other files, or it
        cannot be written.
    """
    try:
        refuse_foreign_folder(path)
        path.mkdir(parents=True, exist_ok=True)
        file = (path / LOCK).open("a")
    except OSError as error:
        raise InputError(
            f"cannot write to {path}: {error.strerror}. Choose another folder, or "
            "change its permissions"
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"another process is writing to {path}. Wait until it is done, or "
                "stop it; what it has embedded so far is used again."
            ) from None
        yield


def refuse_foreign_folder(path: Path) -> None:
    """Raises InputError if a writer might delete files that are not an index's."""
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file; an index is a folder. Choose another")
    if not path.exists() or (path / MANIFEST).exists() or (path / LOCK).exists():
        return
    if any(path.iterdir()):
        raise InputError(
            f"{path} is not empty and no index. Choose a new folder, so that none of "
            "its files is touched"
        )
