"""Updates an index in child processes that kill themselves at each step in turn.

Run by test_crash.py, as a process of its own so that forking is safe.
"""

import os
import shutil
import signal
import sys
from functools import partial
from pathlib import Path

from jaxsim.index.storage import IndexStore
from tests.index import stores

STEPS = ("replace", "fsync", "unlink", "open")


def before() -> stores.Folder:
    return stores.Folder(**{name: name for name in "abcdefgh"})


def after() -> stores.Folder:
    folder = stores.Folder(**{name: name for name in "cdefghij"})
    folder.files["c"] = ("changed", 1, None)
    folder.files["k"] = ("h", 0, None)
    return folder


def kill_at(step: int) -> None:
    """Makes the process kill itself just before its n-th file operation."""
    done = 0

    def counted(operation):
        def call(*args, **kwargs):
            nonlocal done
            done += 1
            if done == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return operation(*args, **kwargs)

        return call

    for name in STEPS:
        setattr(os, name, counted(getattr(os, name)))


def in_child(work) -> int:
    """Runs `work` in a fork; returns its exit code, negative for a signal."""
    child = os.fork()
    if not child:
        try:
            work()
        except BaseException as error:
            print(repr(error), flush=True)
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def killed_update(path: Path, step: int) -> None:
    kill_at(step)
    stores.update(path, after())


def check(path: Path) -> None:
    opened = stores.contents(IndexStore.open(path))
    old, new = stores.expected(before()), stores.expected(after())
    assert opened in (old, new), opened
    pending = len(list((path / "pending").glob("*.npy")))
    folder = after()
    store = stores.update(path, folder)
    assert stores.contents(store) == new
    assert not folder.embedded or not (pending or opened == new), folder.embedded
    named = {path.name for path in path.iterdir()}
    segments = {f"segment-{n:06d}.{s}" for n in (1, 2) for s in ("npy", "parquet")}
    assert named == segments | {"manifest.json", ".jaxsim-lock", "pending"}, named
    assert list((path / "pending").iterdir()) == []
    store.verify()


def main(root: Path) -> None:
    def build() -> None:
        stores.create(root / "start")
        stores.update(root / "start", before())

    assert in_child(build) == 0
    for step in range(1, 1000):
        path = root / str(step)
        shutil.copytree(root / "start", path)
        code = in_child(partial(killed_update, path, step))
        assert code in (0, -signal.SIGKILL), code
        assert in_child(partial(check, path)) == 0, step
        shutil.rmtree(path)
        if code == 0:
            print("steps", step - 1)
            break


if __name__ == "__main__":
    main(Path(sys.argv[1]))
