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
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, cast

import jax
import numpy as np

from jaxsim.cli.main import main as jaxsim
from jaxsim.core.errors import InputError
from jaxsim.core.progress import no_bars
from jaxsim.data.rejects import Reject
from jaxsim.experiment import run_folder
from jaxsim.experiment.measure import Measurer
from jaxsim.index import sharded
from jaxsim.index.exact import ExactIndex
from jaxsim.index.sharded import ShardedIndex
from jaxsim.parallel import layout, multihost, roll_call
from jaxsim.parallel.mesh import make_mesh
from jaxsim.pipeline.embed import Embedding
from jaxsim.pipeline.embed_together import embed_together
from jaxsim.training.log import MetricsFile, Row
from jaxsim.training.mining import hardest_on
from tests.training import runs

PATIENCE_S = 100

CONFIG = """
import fiddle as fdl
from jaxsim.experiment.training_experiment import TrainingExperiment
from jaxsim.parallel.mesh import MeshShape
from tests.training import runs

def get_config(
    fsdp: int = 1, keep: str = "last"
) -> fdl.Config[TrainingExperiment]:
    return runs.config(mesh=fdl.Config(MeshShape, fsdp=fsdp), keep=keep)
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


def vanish(root: Path) -> None:
    (root / "death").write_text(str(time.time()))
    os.kill(os.getpid(), signal.SIGKILL)


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
    fsdp: int = 1,
    keep: str = "last",
    prepare: Callable[[], None] | None = None,
) -> int:
    """Starts `jaxsim train` in a fork, its output in a file.

    Args:
      root: has photos and the config.
      name: of the run.
      devices: of this process.
      job: port and number of a process of two; None for one alone.
      by_slurm: whether JAX learns of the job from what looks like Slurm.
      fsdp: devices among which the state is cut, down to its smallest arrays.
      keep: which model is kept, "last" or "best".
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
    layout.SMALLEST_CUT = 1
    watch(out)
    if prepare:
        prepare()
    words = [
        "train",
        f"{root / 'config.py'}:fsdp={fsdp},keep={keep}",
        "--data",
        root / "photos",
        "--out",
        out,
    ]
    sys.exit(jaxsim([str(word) for word in words]))


def pair(
    root: Path,
    name: str,
    prepare_second: Callable[[], None] | None = None,
    *,
    by_slurm: bool = False,
    fsdp: int = 1,
    keep: str = "last",
) -> list[int]:
    """Runs two processes of two devices; returns their exit codes."""
    port = free_port()
    processes = [
        start(
            root,
            name,
            devices=2,
            job=(port, number),
            by_slurm=by_slurm,
            fsdp=fsdp,
            keep=keep,
            prepare=prepare_second if number else None,
        )
        for number in (0, 1)
    ]
    return [code_of(process) for process in processes]


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]


def searching(root: Path) -> list[int]:
    """Searches in two processes of two devices, which write what they found."""
    children, port = [], free_port()
    for number in (0, 1):
        child = os.fork()
        children.append(child)
        if child:
            continue
        faulthandler.dump_traceback_later(PATIENCE_S, exit=True)
        jax.config.update("jax_num_cpu_devices", 2)
        multihost.start(roll_call.Job(f"localhost:{port}", 2, number))
        random = np.random.default_rng(0)
        vectors = random.integers(-3, 4, (301, 5)).astype(np.float32)
        sharded.largest_block = lambda dimension: 64  # Two blocks a device.
        index = ShardedIndex(vectors, mesh=make_mesh())
        found = index.search(vectors[:9], 12)
        single = ExactIndex(vectors).search(vectors[:9], 12)
        same = np.array_equal(found.ids, single.ids)
        same &= np.array_equal(found.scores, single.scores)
        labels = random.integers(0, 4, 301).astype(np.int32)
        mined, wanted = (
            hardest_on(mesh, vectors, labels, hardest=3, margin=0.5)
            for mesh in (make_mesh(), None)
        )
        same &= all(map(np.array_equal, mined, wanted))
        multihost._ROWS_AT_ONCE = 4
        same &= all(map(described_as_by_one, (0, 1, 2, 9, 24)))
        (root / f"search-{number}.log").write_text(f"same={same}")
        sys.exit(0)
    return [code_of(child) for child in children]


class Counting:
    """Describes an image by its number, and rejects every fifth."""

    def embed(self, records, progress):
        numbers = np.array(records)
        rejects = [
            Reject(name=f"é{n}", reason="fifth", id=row, lasting=True)
            for row, n in enumerate(numbers.tolist())
            if n % 5 == 4
        ]
        vectors = np.stack([numbers, -numbers], axis=1).astype(np.float32)
        return Embedding(
            vectors=vectors, found=numbers % 5 != 4, rejects=tuple(rejects)
        )


def described_as_by_one(count: int) -> bool:
    """Whether processes that share images have what one of them alone would have."""
    records: Any = range(count)
    shared = embed_together(cast(Any, Counting()), records, what="count", bars=no_bars)
    alone = Counting().embed(records, None)
    return (
        np.array_equal(shared.vectors, alone.vectors)
        and np.array_equal(shared.found, alone.found)
        and shared.rejects == alone.rejects
    )


def has_other_images() -> None:
    """Makes all files look like those of another folder."""
    run_folder._size_bytes = lambda record: 1


def code_of(child: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def main(root: Path) -> None:
    runs.make_photos(root / "photos")
    (root / "config.py").write_text(CONFIG)
    codes = {
        "alone": [code_of(start(root, "alone", devices=4))],
        "stopped": pair(root, "pair", lambda: at_step(5, ask_to_stop), fsdp=4),
    }
    for number in (0, 1):
        os.rename(root / f"pair-{number}.log", root / f"stopped-{number}.log")
    codes["pair"] = pair(root, "pair", by_slurm=True, fsdp=2)
    codes["best"] = pair(root, "best", keep="best")
    codes["other"] = pair(root, "other", has_other_images)
    codes["failed"] = pair(root, "failed", lambda: at_step(9, fail))
    multihost.HEARTBEAT_S = 10  # Instead of 30, so that the test ends sooner.
    codes["killed"] = pair(root, "killed", lambda: at_step(9, partial(vanish, root)))
    death = float((root / "death").read_text())
    codes["missed_s"] = [round(time.time() - death)]
    os.rename(root / "killed-0.log", root / "survivor.log")
    codes["resumed"] = pair(root, "killed")
    codes["search"] = searching(root)
    (root / "codes.json").write_text(json.dumps(codes))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
