"""Trains in pairs of processes that share a model. Run by test_pairs.py.

The processes are forks, as starting each anew takes longer than training; they meet
over the loopback device and leave by the door that `jaxsim` itself takes.
"""

import faulthandler
import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import jax

from jaxsim.cli.main import main as jaxsim
from jaxsim.core.errors import InputError
from jaxsim.experiment.measure import Measurer
from jaxsim.training.log import MetricsFile, Row
from tests.training import runs

PATIENCE_S = 100

CONFIG = """
import fiddle as fdl
from jaxsim.experiment.training_experiment import TrainingExperiment
from tests.training import runs

def get_config() -> fdl.Config[TrainingExperiment]:
    return runs.config()
"""


def at_step(step: int, act: Callable[[], None]) -> None:
    """Acts when the loss of a step is told, in the process that calls this."""
    told = MetricsFile.__call__

    def tell(self, row: Row) -> None:
        if "loss" in row and row["step"] == step:
            act()
        told(self, row)

    MetricsFile.__call__ = tell


def ask_to_stop() -> None:
    os.kill(os.getpid(), signal.SIGTERM)


def miss_each_other_soon() -> None:
    """A process that is gone is given up after 20 s; JAX's own patience is 100 s."""
    initialize = jax.distributed.initialize
    jax.distributed.initialize = partial(initialize, heartbeat_timeout_seconds=20)


def fail() -> None:
    raise InputError("this process cannot go on")


def watch(out: Path) -> None:
    """Prints when the process measures, and what it writes outside checkpoints."""
    embed = Measurer.embed

    def measured(self, model):
        print("measured", flush=True)
        return embed(self, model)

    def hook(event: str, arguments: tuple) -> None:
        if event != "open" or not isinstance(arguments[0], str):
            return
        path, flags = Path(arguments[0]), arguments[2]
        is_written = flags & (os.O_WRONLY | os.O_RDWR)
        if is_written and path.is_relative_to(out) and "checkpoints" not in path.parts:
            print("wrote", path, file=sys.stderr, flush=True)

    Measurer.embed = measured
    sys.addaudithook(hook)


def by_hand(port: int, number: int) -> dict[str, str]:
    """Returns the environment that names the job itself."""
    return {
        "JAX_COORDINATOR_ADDRESS": f"localhost:{port}",
        "JAX_NUM_PROCESSES": "2",
        "JAX_PROCESS_ID": str(number),
    }


def as_slurm(port: int, number: int) -> dict[str, str]:
    """Returns the environment of a Slurm job on this machine."""
    return {
        "JAX_COORDINATOR_ADDRESS": "auto",
        "JAX_COORDINATOR_PORT": str(port),
        "SLURM_JOB_ID": "1",
        "SLURM_STEP_NODELIST": "localhost",
        "SLURM_NTASKS": "2",
        "SLURM_PROCID": str(number),
        "SLURM_LOCALID": "0",
    }


def start(
    root: Path,
    name: str,
    *,
    devices: int,
    job: tuple[int, int] | None = None,
    by_slurm: bool = False,
    prepare: Callable[[], None] | None = None,
) -> int:
    """Starts `jaxsim train` in a fork, its output in a file.

    Args:
      root: has photos and the config.
      name: of the run.
      devices: of this process.
      job: port and number of a process of two; None for one alone.
      by_slurm: whether JAX learns of the job from what looks like Slurm.
      prepare: called first.

    Returns:
      The process.
    """
    child = os.fork()
    if child:
        return child
    port, number = job or (0, 0)
    with open(root / f"{name}-{number}.log", "w") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    faulthandler.dump_traceback_later(PATIENCE_S, exit=True)
    jax.config.update("jax_num_cpu_devices", devices)
    jax.config.update("jax_disable_most_optimizations", True)  # compiles sooner
    if job:
        os.environ |= as_slurm(port, number) if by_slurm else by_hand(port, number)
    out = root / name
    watch(out)
    if prepare:
        prepare()
    words = ["train", root / "config.py", "--data", root / "photos", "--out", out]
    sys.exit(jaxsim([str(word) for word in words]))


def pair(
    root: Path,
    name: str,
    prepare_second: Callable[[], None] | None = None,
    *,
    by_slurm: bool = False,
) -> list[int]:
    """Runs two processes of two devices; returns their exit codes."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    processes = [
        start(
            root,
            name,
            devices=2,
            job=(port, number),
            by_slurm=by_slurm,
            prepare=prepare_second if number else None,
        )
        for number in (0, 1)
    ]
    return [code_of(process) for process in processes]


def code_of(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(root: Path) -> None:
    runs.make_photos(root / "photos")
    (root / "config.py").write_text(CONFIG)
    codes = {
        "alone": [code_of(start(root, "alone", devices=4))],
        "stopped": pair(root, "pair", lambda: at_step(5, ask_to_stop)),
    }
    for number in (0, 1):
        os.rename(root / f"pair-{number}.log", root / f"stopped-{number}.log")
    codes["pair"] = pair(root, "pair", by_slurm=True)
    miss_each_other_soon()
    codes["failed"] = pair(root, "failed", lambda: at_step(9, fail))
    (root / "codes.json").write_text(json.dumps(codes))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
