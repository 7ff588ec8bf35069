"""The folder of checkpoints: marked as ours, written by one run at a time."""

import fcntl
import shutil
from pathlib import Path
from typing import IO

from jaxsim.core.errors import InputError

MARKER = ".jaxsim-checkpoints"
"""Made before the first checkpoint, and what the writer locks."""

UNFINISHED = "*.orbax-checkpoint-tmp"
"""Where orbax writes before it renames."""


def refuse_foreign_folder(folder: Path) -> None:
    """Raises InputError if the folder holds files that are not checkpoints."""
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; checkpoints are kept in a folder")
    if not folder.exists() or (folder / MARKER).exists():
        return
    if any(folder.iterdir()):
        raise InputError(
            f"{folder} is not empty and holds no checkpoints of jaxsim. Choose the "
            "folder that training wrote, or a new one"
        )


def claim(folder: Path) -> IO[str]:
    """Takes the right to write until the returned file is closed.

    Args:
      folder: created if it does not exist. What a run that died had not finished is
        removed from it.

    Raises:
      InputError: another run is writing, or the folder cannot be written.
    """
    refuse_foreign_folder(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / MARKER).open("a")
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise InputError(
            f"another run is writing checkpoints to {folder}. Stop it, or choose "
            "another folder"
        ) from None
    remove_unfinished(folder)
    return lock


def remove_unfinished(folder: Path) -> None:
    """Frees the space of checkpoints that were not completed.

    Only for the one who writes: they may be in the making otherwise.
    """
    for path in folder.glob(UNFINISHED):
        # One that cannot be removed only takes space: readers never look at it.
        shutil.rmtree(path, ignore_errors=True)
