"""Trains in child processes that are killed at many moments in turn.

Run by test_kill.py, as a process of its own so that forking is safe: nothing is put on
a device before the fork. Each of the folders it leaves holds a run that has ended.
"""

import faulthandler
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import fiddle as fdl
import jax

from jaxsim.checkpoint.manager import Checkpoints
from jaxsim.core.errors import InputError
from jaxsim.experiment.train import train
from jaxsim.pipeline.model import ImageModel
from tests.training import runs

PATIENCE_S = 100


class Moment(NamedTuple):
    """When to die.

    Attributes:
      where: "row", "evaluation" when the row of that step has been written; "save" when
        the checkpoint of that step is being written; "model" before the model is
        written; or the name of a progress bar when it is opened. "disk" is full from
        the row of that step on, and the run ends by itself; so it does if it gets a
        signal to "stop".
      step: see above.
    """

    where: str
    step: int = 0


MOMENTS = (
    Moment("measure"),  # before the first update
    Moment("row", 2),  # before the first checkpoint
    Moment("save", 4),
    Moment("row", 5),
    Moment("measure"),  # during the evaluation of step 6
    Moment("evaluation", 6),
    Moment("disk", 6),
    Moment("row", 10),  # between checkpoints
    Moment("save", 12),
    Moment("model"),
)
MOMENTS_OF_MINING = (
    Moment("describe the pool"),
    Moment("row", 7),  # goes on within a segment
    Moment("stop", 7),
    Moment("describe the pool"),
    Moment("save", 10),
    Moment("row", 11),
)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def run(
    config: fdl.Config, photos: Path, out: Path, moment: Moment | None, devices: int
) -> None:
    """Trains, and dies at the moment."""
    jax.config.update("jax_num_cpu_devices", devices)
    jax.config.update("jax_disable_most_optimizations", True)  # compiles sooner
    where, step = moment or Moment("nowhere")

    def listen(row: Mapping) -> None:
        is_evaluation = any(name.startswith("eval/") for name in row)
        kind = "evaluation" if is_evaluation else "row" if "loss" in row else "event"
        if (kind, row["step"]) == (where, step):
            time.sleep(0.5)  # a checkpoint before it is then on disk
            die()
        if ("stop", row["step"]) == (where, step):
            os.kill(os.getpid(), signal.SIGTERM)
        if ("disk", row["step"]) == (where, step):
            # As the kernel refuses to write: rows fit, arrays do not.
            resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))

    @contextmanager
    def bars(what: str, total: int | None, unit: str = "images"):
        if what == where:
            die()
        yield lambda count: None

    def dying(method: Callable, *, late: bool):
        def call(self, at, *arguments, **options):
            if not late:
                die()
            method(self, at, *arguments, **options)
            if at == step:
                die()

        return call

    if where == "save":
        Checkpoints.save = dying(Checkpoints.save, late=True)
    if where == "model":
        ImageModel.save = dying(ImageModel.save, late=False)
    train(config, photos, out, listeners=[listen], bars=bars)


def in_child(work: Callable[[], None]) -> int:
    """Runs `work` in a fork; returns its exit code, negative for a signal."""
    child = os.fork()
    if not child:
        faulthandler.dump_traceback_later(PATIENCE_S, exit=True)
        try:
            work()
        except InputError as error:
            print(error, flush=True)
            os._exit(2)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def chain(
    config: fdl.Config,
    photos: Path,
    out: Path,
    moments: tuple[Moment, ...] = (),
    devices: tuple[int, ...] = (2,),
) -> None:
    """Starts a run again and again until nothing kills it any more.

    Args:
      config: what to train.
      photos: the data.
      out: the run.
      moments: when each start dies.
      devices: of each start; the last is used again.
    """
    for i, moment in enumerate((*moments, None)):
        number = devices[min(i, len(devices) - 1)]
        code = in_child(partial(run, config, photos, out, moment, number))
        expected = {None: 0, "stop": 0, "disk": 2}.get(moment and moment.where, -9)
        assert code == expected, (out, moment, code)


def main(root: Path) -> None:
    photos = runs.make_photos(root / "photos")
    chain(runs.config(), photos, root / "whole")
    chain(runs.config(), photos, root / "killed", MOMENTS)
    chain(runs.mined(), photos, root / "mined")
    chain(runs.mined(), photos, root / "mined, killed", MOMENTS_OF_MINING)
    chain(runs.config(), photos, root / "moved", (Moment("row", 9),), (8, 1))
    print("done")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
