"""Collections of Milvus Lite for tests, where it is installed."""

import importlib.util
import subprocess
import sys
import tempfile
from functools import cache
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from jaxsim.index.milvus import MilvusIndex
from jaxsim.index.milvus_layout import Layout
from jaxsim.index.milvus_server import Place, connect

MODEL = "0123456789abcdef" * 2
_numbers = count()


def require_milvus() -> None:
    """Skips the test unless both packages are installed."""
    for package in ("pymilvus", "milvus_lite"):
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")


def of_name(place: Place) -> list[str]:
    """Returns the collections whose names begin with that of one."""
    client = connect(place, may_create=False)
    names = [n for n in client.list_collections() if n.startswith(place.collection)]
    client.close()
    return sorted(names)


def ended_process() -> int:
    """Returns the number that a process had."""
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        return ended.pid


@cache
def _folder() -> tempfile.TemporaryDirectory:
    """One folder for all tests, as each starts a server in this process."""
    return tempfile.TemporaryDirectory(ignore_cleanup_errors=True)


def filled(vectors: np.ndarray, *, exact: bool = True) -> MilvusIndex:
    """Returns a new collection of some vectors."""
    require_milvus()
    uri = str(Path(_folder().name) / "tests.db")
    index = MilvusIndex.create(
        Place(uri, f"c{next(_numbers)}"),
        Layout(model=MODEL, dimension=vectors.shape[1], exact=exact),
    )
    index.add(vectors)
    return index


def opened_again(vectors: np.ndarray, path: Path) -> MilvusIndex:
    """Returns a collection that another connection has filled."""
    index = filled(vectors)
    index.close()
    return MilvusIndex.open(index.place)
