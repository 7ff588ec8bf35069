"""Saves in child processes that kill themselves at many moments in turn.

Run by test_crash.py, as a process of its own so that forking is safe: nothing is put on
a device before the fork.
"""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from jaxsim.checkpoint.manager import Checkpoints
from tests.checkpoint.states import like, require_same_bits, state

OPERATIONS = ("mkdir", "rename", "replace", "unlink", "rmdir", "open", "scandir")
SIZE = 100_000


def save(folder: Path, step: int) -> None:
    with Checkpoints(folder, keep_last=1) as checkpoints:
        checkpoints.save(step, state(step, SIZE), {"step": step}, float(step))


def save_and_die(folder: Path, moment: int | None) -> None:
    """Dies before the n-th operation on files; None: when `save` has returned."""
    done = 0

    def counted(operation):
        def call(*args, **kwargs):
            nonlocal done
            done += 1
            if done == moment:
                os.kill(os.getpid(), signal.SIGKILL)
            return operation(*args, **kwargs)

        return call

    for name in OPERATIONS:
        setattr(os, name, counted(getattr(os, name)))
    checkpoints = Checkpoints(folder, keep_last=1)
    checkpoints.save(2, state(2, SIZE), {"step": 2}, 2.0)
    if moment is None:
        os.kill(os.getpid(), signal.SIGKILL)
    checkpoints.close()
    print("operations", done, flush=True)


def check(folder: Path) -> None:
    """The old or the new checkpoint is there, whole; saving goes on."""
    with Checkpoints(folder, keep_last=1) as checkpoints:
        step = checkpoints.latest()
        assert step in (1, 2), step
        found, extra = checkpoints.restore(step, like(state(step, SIZE)))
        require_same_bits(found, state(step, SIZE))
        assert extra == {"step": step}
        checkpoints.save(3, state(3), {"step": 3}, 3.0)
    print("found", step, flush=True)
    left = sorted(path.name for path in folder.iterdir())
    assert left == [".jaxsim-checkpoints", "3"], left


def in_child(work: Callable[[], None]) -> int:
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


def main(root: Path, moments: list[int | None]) -> None:
    assert in_child(partial(save, root / "start", 1)) == 0
    for moment in moments:
        folder = root / str(moment)
        shutil.copytree(root / "start", folder)
        code = in_child(partial(save_and_die, folder, moment))
        print(
            "moment", moment, "killed" if code == -signal.SIGKILL else code, flush=True
        )
        assert code in (0, -signal.SIGKILL), code
        assert in_child(partial(check, folder)) == 0, moment
        shutil.rmtree(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(n) if n != "None" else None for n in sys.argv[2:]])
