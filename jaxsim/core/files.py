"""Files that are never half written, and the hash that names their content."""

import errno
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from jaxsim.core.errors import InputError


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[IO[bytes]]:
    """Opens a temporary file that replaces `path` only if the block succeeds.

    The data is flushed to the disk before the rename, so that after a crash `path`
    holds either its old content or the new one, never a part.

    Args:
      path: the file to write; its folder is created.

    Yields:
      A binary file object to write to.

    Raises:
      InputError: the disk is full or the folder cannot be written.
    """
    path = Path(os.path.realpath(path))
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    try:
        if path.exists() and not path.is_file() and not path.is_dir():
            # A device or a pipe, such as /dev/null, cannot be replaced.
            with open(path, "wb") as file:
                yield file
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        sync_folder(path.parent)
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror or error}. Choose another place"
            + (", or free some space" if error.errno == errno.ENOSPC else "")
            + "; what was there before is unchanged."
        ) from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def check_target(path: str | os.PathLike[str]) -> None:
    """Checks, before long work, that `atomic_write` will be able to write a file.

    Args:
      path: the file; neither it nor its folder need exist.

    Raises:
      InputError: it names a folder, or the folder it would be in is no folder or cannot
        be written, or the name cannot be that of a file.
    """
    named = os.fspath(path)
    try:
        _check_target(named)
    except OSError as error:
        raise InputError(
            f"'{named}' cannot be written: {error.strerror}. Choose another place"
        ) from error


def _check_target(named: str) -> None:
    target = Path(os.path.realpath(named))
    if target.is_dir() or named.endswith(os.sep):
        raise InputError(f"'{named}' is a folder; give the name of a file in it")
    folder = target if target.exists() and not target.is_file() else target.parent
    while not folder.exists():
        folder = folder.parent
    if folder != target and not folder.is_dir():
        raise InputError(
            f"'{named}' cannot be written, because {folder} is not a folder. Choose "
            "another place"
        )
    if not os.access(folder, os.W_OK):
        raise InputError(
            f"'{named}' cannot be written: there is no permission to write to "
            f"{folder}. Choose another place"
        )


def sync_folder(folder: Path) -> None:
    """Makes a rename inside `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_object(path: Path, *, mend: str) -> dict[str, Any]:
    """Returns the JSON object that a file of ours holds.

    Args:
      path: the file.
      mend: a sentence that says what to do if it is damaged.

    Raises:
      InputError: it is damaged.
    """
    try:
        found = json.loads(path.read_bytes())
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}). {mend}") from error
    if not isinstance(found, dict):
        raise InputError(f"{path} is damaged (it holds no JSON object). {mend}")
    return found


def content_hash(data: bytes | memoryview) -> str:
    """Returns 32 hex digits (BLAKE2b, 128 bits) that name this content."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()
