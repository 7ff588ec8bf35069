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


def start(
    root: Path,
    name: str,
    *,
    devices: int,
    job: tuple[int, int] | None = None,
    prepare: Callable[[], None] | None = None,
) -> int:
    """Starts `jaxsim train` in a fork, its output in a file.

    Args:
      root: has photos and the config.
      name: of the run.
      devices: of this process.
      job: port and number of a process of two; None for one alone.
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
        os.environ["JAX_COORDINATOR_ADDRESS"] = f"localhost:{port}"
        os.environ["JAX_NUM_PROCESSES"] = "2"
        os.environ["JAX_PROCESS_ID"] = str(number)
    out = root / name
    watch(out)
    if prepare:
        prepare()
    words = ["train", root / "config.py", "--data", root / "photos", "--out", out]
    sys.exit(jaxsim([str(word) for word in words]))


def pair(
    root: Path, name: str, prepare_second: Callable[[], None] | None = None
) -> list[int]:
    """Runs two processes of two devices; returns their exit codes."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        port = free.getsockname()[1]
    first = start(root, name, devices=2, job=(port, 0))
    second = start(root, name, devices=2, job=(port, 1), prepare=prepare_second)
    return [code_of(first), code_of(second)]


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
    codes["pair"] = pair(root, "pair")
    # No checkpoint is near, at which the first would wait much longer for the second.
    codes["failed"] = pair(root, "failed", lambda: at_step(9, fail))
    (root / "codes.json").write_text(json.dumps(codes))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
