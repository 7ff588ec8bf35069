"""Meets a full disk again and again. Run by test_crash.py.

A limit on the size of files stands for the disk: the kernel refuses to write, wherever
the bytes come from.
"""

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jax.numpy as jnp
import numpy as np

from jaxsim.checkpoint.manager import Checkpoints
from jaxsim.core.errors import InputError

SMALL = {"w": jnp.arange(4.0)}
LARGE = {"w": np.random.default_rng(0).normal(size=100_000)}


@contextmanager
def full_disk(size_bytes: int = 100_000) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def refused(folder: Path) -> Iterator[None]:
    """Expects the error, and a folder without half a checkpoint."""
    try:
        yield
    except InputError as error:
        assert f"cannot write a checkpoint to {folder}: File too large" in str(error)
    else:
        raise AssertionError("no error")
    assert not list(folder.glob("*tmp*")), list(folder.iterdir())


def main(folder: Path) -> None:
    with Checkpoints(folder, keep_last=1) as checkpoints:
        checkpoints.save(1, SMALL, {})
        checkpoints.wait()
        with full_disk():
            checkpoints.save(2, LARGE, {})
            with refused(folder):
                checkpoints.wait()
            assert checkpoints.latest() == 1
            checkpoints.restore(1, SMALL)
            checkpoints.save(3, LARGE, {})
            with refused(folder):
                checkpoints.save(4, SMALL, {})
            assert checkpoints.latest() == 1
        with full_disk(size_bytes=1):
            with refused(folder):
                checkpoints.save(5, SMALL, {})
                checkpoints.wait()
            assert checkpoints.latest() == 1
        checkpoints.save(6, LARGE, {})
        assert checkpoints.latest() == 6
    with refused(folder), full_disk(), Checkpoints(folder) as checkpoints:
        checkpoints.save(7, LARGE, {})
    assert sorted(path.name for path in folder.glob("[0-9]*")) == ["6"]
    with Checkpoints(folder) as checkpoints:
        found, _ = checkpoints.restore(6, LARGE)
    np.testing.assert_array_equal(found["w"], LARGE["w"])
    print("done")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
