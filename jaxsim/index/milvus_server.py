"""Where a collection of Milvus is: a folder of this machine, or a server."""

import logging
import logging.config
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from jaxsim.core.errors import InputError, MissingExtraError
from jaxsim.core.files import check_target

LITE = ".db"
"""Paths that end so are opened by Milvus Lite, inside this process."""
TOKEN = "MILVUS_TOKEN"
"""The environment variable that a server's user:password or API key is in."""
CONNECT_S = 8
CALL_S = 300
"""For how long to wait until a server answers, and until it has done something."""
_LIBRARIES = "milvus_lite", "pymilvus", "grpc"


@dataclass(frozen=True)
class Place:
    """A collection of Milvus.

    Attributes:
      uri: a path that ends in .db, or such as http://host:19530.
      collection: its name there.

    Raises:
      InputError: the URI is neither of both, or no collection can have the name.
    """

    uri: str
    collection: str = "jaxsim"

    def __post_init__(self):
        try:
            parts = urlsplit(self.uri)
            is_server = parts.scheme in ("http", "https") and bool(parts.hostname)
            is_server = is_server and parts.port != 0
        except ValueError:
            is_server = False
        if not is_server and not self.is_file:
            raise InputError(
                f"--uri '{self.shown}': expected a path that ends in {LITE}, for "
                "Milvus Lite, or a server's address, such as http://localhost:19530"
            )
        if not is_field_name(self.collection):
            raise InputError(
                f"'{self.collection}' cannot name a collection of Milvus: use letters, "
                "digits and _, and no digit first"
            )

    @property
    def is_file(self) -> bool:
        """Whether Milvus Lite opens it."""
        return self.uri.endswith(LITE) and "://" not in self.uri

    @property
    def shown(self) -> str:
        """The URI for readers, without a user's name and password."""
        if self.is_file:
            return self.uri
        scheme = self.uri[: self.uri.find("://") + 3] if "://" in self.uri else ""
        return scheme + self.uri.removeprefix(scheme).rpartition("@")[2]

    def __str__(self) -> str:
        return f"the collection '{self.collection}' of {self.shown}"


def is_field_name(text: str) -> bool:
    """Returns whether Milvus takes a name for a collection or a column."""
    return text.isascii() and text.isidentifier() and len(text) < 256


def client_library():
    """Returns pymilvus, which configures logging when imported: that is left out.

    It would close the handlers of others, and these the streams that they write to.

    Raises:
      MissingExtraError: it is not installed.
    """
    configure = logging.config.dictConfig
    logging.config.dictConfig = lambda config: None
    try:
        import pymilvus  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise MissingExtraError("pymilvus", "milvus") from error
    finally:
        logging.config.dictConfig = configure
    return pymilvus


def connect(place: Place, *, may_create: bool):
    """Returns a client of pymilvus; the server has answered.

    Args:
      place: what to open.
      may_create: make a folder of Milvus Lite that is not there.

    Raises:
      MissingExtraError: pymilvus or Milvus Lite is not installed.
      InputError: the server does not answer, which is known within 10 s, or the
        folder cannot be opened.
    """
    pymilvus = client_library()
    if place.is_file:
        try:
            import milvus_lite  # noqa: F401  # pyright: ignore[reportMissingImports]
        except ImportError as error:
            raise MissingExtraError("milvus-lite", "milvus") from error
        _check_folder(Path(place.uri).expanduser(), may_create=may_create)
        uri, token = str(Path(place.uri).expanduser().resolve()), ""
    else:
        uri, token = place.uri, os.environ.get(TOKEN, "")
    begun = time.monotonic()
    try:
        # What fails is said below, in one sentence.
        with _silent():
            return pymilvus.MilvusClient(uri, token=token, timeout=CONNECT_S)
    except pymilvus.MilvusException as error:
        if place.is_file:
            raise InputError(
                f"Milvus Lite cannot open '{place.uri}'. Is it open in another "
                "process, or does it hold something else? End the other process, or "
                "choose another --uri"
            ) from error
        raise InputError(
            f"no Milvus answers at {place.shown}, tried for "
            f"{time.monotonic() - begun:.0f} s: {_first_line(error)}. Start it, or "
            f"correct --uri or {TOKEN}"
        ) from error


class RefusedError(InputError):
    """Milvus has answered, and does not do what it was asked."""


@contextmanager
def asking(place: Place) -> Iterator[None]:
    """Turns errors of Milvus into an InputError with its reason.

    Args:
      place: that is asked.

    Raises:
      RefusedError: Milvus has answered so.
      InputError: it has not answered.
    """
    import grpc
    from pymilvus import MilvusException  # pyright: ignore[reportMissingImports]
    from pymilvus.exceptions import (  # pyright: ignore[reportMissingImports]
        ErrorCode,
    )

    try:
        with _silent():
            yield
    except MilvusException as error:
        # What pymilvus says itself, such as of time-outs, has this code or no number.
        code = error.code
        answered = isinstance(code, int) and code != ErrorCode.UNEXPECTED_ERROR
        kind = RefusedError if answered else InputError
        raise kind(f"{place}: Milvus says: {_first_line(error)}") from error
    except grpc.RpcError as error:
        raise InputError(f"{place}: the connection failed ({error})") from error


def _first_line(error) -> str:
    line = next(iter(str(error.message).splitlines()), "nothing")
    return line.rstrip(".")


def _check_folder(path: Path, *, may_create: bool) -> None:
    if path.exists():
        if not path.is_dir():
            raise InputError(
                f"'{path}' is a file, and Milvus Lite (3 or later) keeps a folder. "
                "Choose another --uri"
            )
        if not os.access(path, os.W_OK):
            raise InputError(f"there is no permission to write to '{path}'")
        return
    if not may_create:
        raise InputError(
            f"there is no '{path}'. Load vectors into it: jaxsim index FILE.parquet "
            f"--store milvus --uri {path}"
        )
    check_target(path)
    path.parent.mkdir(parents=True, exist_ok=True)


@contextmanager
def _silent() -> Iterator[None]:
    """Keeps libraries from logging errors that are raised as well."""
    loggers = [logging.getLogger(name) for name in _LIBRARIES]
    before = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)
