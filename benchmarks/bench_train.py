"""Images per second and memory of training steps, against PyTorch.

Both train the same network from the same weights on the same pixels: normalised
pixels, backbone, average pooling, unit length, the triplet loss of each image's hardest
partners in the batch, and gradient descent with momentum. Batch norm keeps its
statistics and trains scale and bias, as in fine-tuning; `--norm batch` trains with
those of the batch.
Steps take turns in one process; a ratio is the median over turns of PyTorch's seconds
by jaxsim's. Before any timing the losses and the gradients are compared. Memory is the
peak of a process that runs steps of one system only.

On a CPU both compute in float32, PyTorch channels-last. On a GPU both compute in
bfloat16, PyTorch with automatic mixed precision and torch.compile, and the share of the
device's peak is reported too, from the operations of the convolutions. There losses are
compared only, since gradients in float32 would be one more program to compile, and each
case is a call of its own. ResNet-101 pools R-MAC there; at 800 px 192 images, as of 64
triplets, run by cached gradients in both systems.

  python benchmarks/bench_train.py                  # about 5 minutes on 2 cores
  python benchmarks/bench_train.py --quick --json train.json
  python benchmarks/bench_train.py --case resnet101_800    # on a GPU
"""

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from _torch_trainer import (
    LEARNING_RATE,
    MARGIN,
    MOMENTUM,
    Trainer,
    named,
    torch_trainer,
)

from jaxsim.core.errors import InputError, MissingExtraError
from jaxsim.core.memory import restart_with_huge_pages

THREADS = len(os.sched_getaffinity(0))
PAUSE_S = 0.3
PHOTOS_PER_LABEL = 4
# Some activations round to the other side of a kink.
TOLERANCE = 5e-3
BFLOAT16_TOLERANCE = 5e-2


@dataclass(frozen=True)
class Case:
    """A network, the size of its square images, and how many make a batch.

    `micro_batch` images are computed at a time by cached gradients, or all at once.
    """

    network: str
    size_px: int
    batch: int
    norm: str = "frozen"
    pooling: str = "average"
    micro_batch: int | None = None

    @property
    def name(self) -> str:
        """Prefix of the numbers measured in this case."""
        live = "_batch_norm" if self.norm == "batch" else ""
        return f"{self.network}_{self.size_px}{live}"

    def images(self) -> np.ndarray:
        """Pixels uint8 [B, H, W, 3]: noise over a pattern of each image's own."""
        rng = np.random.default_rng(0)
        pattern = rng.integers(0, 192, (self.batch, 4, 4, 3), np.uint8)
        noise = rng.integers(0, 64, (self.batch, *(self.size_px,) * 2, 3), np.uint8)
        return noise + pattern.repeat(self.size_px // 4, 1).repeat(self.size_px // 4, 2)

    def labels(self) -> np.ndarray:
        """Labels int32 [B] of equal frequency."""
        return np.arange(self.batch, dtype=np.int32) // PHOTOS_PER_LABEL


CPU_CASES = (Case("lite0", 224, batch=16), Case("resnet50", 224, batch=16))
GPU_CASES = (
    Case("lite0", 224, batch=256),
    Case("resnet50", 224, batch=128),
    Case("resnet101", 224, batch=128, pooling="rmac"),
    Case("resnet101", 800, batch=192, pooling="rmac", micro_batch=16),
)
QUICK_CASES = (
    Case("lite0", 64, batch=8),
    Case("resnet50", 64, batch=8),
    Case("resnet50", 96, batch=8, pooling="rmac", micro_batch=4),
)


def main() -> None:
    options = parse_options()
    platform = prepare()
    cases, turns = (GPU_CASES if platform == "gpu" else CPU_CASES), options.turns
    if options.quick:
        cases, turns = QUICK_CASES, 2
    cases = [replace(case, norm=options.norm) for case in cases]
    if options.case:
        cases = [case for case in cases if case.name.startswith(options.case)]
    if platform == "gpu" and len(cases) != 1:
        raise SystemExit("on a GPU give --case, one a call: a process has one peak")
    if options.memory_of:
        print(peak_mib(options.memory_of, cases[0]))
        return
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"{load:.1f} other processes were busy lately: do not trust the ratios")
    metrics: dict[str, float] = {}
    for case in cases:
        measured = measure(case, platform, turns, quick=options.quick)
        for name, value in measured.items():
            print(f"{name:44s} {value:12.4f}", flush=True)
        metrics |= measured
    if options.json:
        from _report import write_report

        settings = {
            "turns": turns,
            "threads": THREADS,
            "batch": {case.name: case.batch for case in cases},
            "load_average": load,
        }
        write_report(options.json, metrics, settings)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small images, seconds")
    parser.add_argument("--turns", type=int, default=15, help="of each system")
    parser.add_argument("--case", help="only what begins so, such as resnet50_224")
    parser.add_argument(
        "--norm", choices=("frozen", "batch"), default="frozen", help="of batch norm"
    )
    parser.add_argument("--json", metavar="FILE", help="write the numbers here")
    parser.add_argument(
        "--data", metavar="DIR", help="not needed here: the pixels are random"
    )
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    return parser.parse_args()


def prepare() -> str:
    """Gives both systems all cores and returns the platform."""
    try:
        import torch
    except ImportError as error:
        raise SystemExit(str(MissingExtraError("torch", "bench"))) from error
    # PyTorch needs a part of the GPU's memory too.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    import jax

    torch.set_num_threads(THREADS)
    torch.backends.cudnn.benchmark = True  # XLA tries its algorithms out, too.
    platform = jax.default_backend()
    if platform == "gpu" and not torch.cuda.is_available():
        raise SystemExit("JAX sees a GPU but this build of PyTorch does not")
    return platform


def measure(case: Case, platform: str, turns: int, *, quick: bool) -> dict[str, float]:
    from bench_embed import backbone_flops, peak_flops, torch_backbone

    twin = torch_backbone(case.network)
    # The gradients of a convolution cost as much again, twice.
    flops = 3 * backbone_flops(twin, case.size_px)
    ours = jaxsim_trainer(case, twin.state_dict())
    theirs = torch_trainer(case, twin, platform)
    metrics = {}
    if platform == "cpu":
        metrics |= differences(case, ours, theirs)
    first = ours.step(), theirs.step()
    if not abs(first[0] - first[1]) < BFLOAT16_TOLERANCE * first[1]:
        raise InputError(f"{case.name}: losses are {first[0]:.4f}, {first[1]:.4f}")
    seconds = take_turns(ours.step, theirs.step, turns)
    rate = case.batch / np.median(seconds[:, 0])
    metrics |= {
        f"{case.name}/images_per_s": rate,
        f"{case.name}/torch_images_per_s": case.batch / np.median(seconds[:, 1]),
        f"ratio/{case.name}": np.median(seconds[:, 1] / seconds[:, 0]),
    }
    peak = peak_flops()
    if peak is not None:
        metrics[f"{case.name}/share_of_peak"] = rate * flops / peak
    for system, prefix in (("jaxsim", ""), ("torch", "torch_")):
        if platform == "gpu":  # Each has an allocator of its own.
            found = device_peak_mib(system)
        else:
            found = in_own_process(system, case, quick=quick)
        metrics[f"{case.name}/{prefix}peak_mib"] = found
    return {name: float(value) for name, value in metrics.items()}


def differences(case: Case, ours: Trainer, theirs: Trainer) -> dict[str, float]:
    """Relative differences of the losses and of all gradients together."""
    (loss, gradients), (their_loss, wanted) = ours.gradients(), theirs.gradients()
    assert gradients.keys() == wanted.keys()
    size = np.sqrt(sum(np.sum(wanted[name] ** 2) for name in wanted))
    gap = np.sqrt(sum(np.sum((gradients[n] - wanted[n]) ** 2) for n in wanted))
    found = {
        f"{case.name}/loss_difference": abs(loss - their_loss) / abs(their_loss),
        f"{case.name}/gradient_difference": gap / size,
    }
    if not max(found.values()) < TOLERANCE:
        raise InputError(f"the systems differ: {found}")
    return found


def take_turns(ours, theirs, turns: int) -> np.ndarray:
    """Returns seconds [turns, 2] of both; the first to go changes every turn."""
    seconds = np.zeros((turns, 2))
    for turn in range(turns):
        order = ((0, ours), (1, theirs))
        for column, step in order[:: 1 if turn % 2 else -1]:
            # The other's threads spin for a while after their last work.
            time.sleep(PAUSE_S)
            step()
            start = time.perf_counter()
            step()
            seconds[turn, column] = time.perf_counter() - start
    return seconds


def jaxsim_trainer(case: Case, state_dict) -> Trainer:
    import jax
    from bench_embed import imported_descriptor

    from jaxsim.nn.pooling import Rmac
    from jaxsim.parallel.mesh import batch_sharding, make_mesh, replicated
    from jaxsim.parallel.precision import compute_dtype
    from jaxsim.training.gradients import whole_batch_gradients
    from jaxsim.training.optim import sgd
    from jaxsim.training.step import Recipe, compile_step

    network, variables = imported_descriptor(case.network, state_dict)
    network = network.clone(backbone=network.backbone.clone(norm=case.norm))
    if case.pooling == "rmac":
        network = network.clone(pooling=Rmac())
    fast = network.clone(backbone=network.backbone.clone(dtype=compute_dtype()))
    recipe = Recipe(
        objective=objective(fast),
        optimiser=partial(sgd, momentum=MOMENTUM, nesterov=False),
        learning_rate=LEARNING_RATE,
        micro_batch=case.micro_batch,
    )
    mesh = make_mesh()
    step = compile_step(recipe, mesh)
    batch = {
        "images": case.images(),
        "valid": np.full((case.batch, 2), case.size_px, np.int32),
        "labels": case.labels(),
    }
    batch = jax.device_put(batch, batch_sharding(mesh))
    variables = {name: {"network": tree} for name, tree in variables.items()}
    variables = jax.device_put(variables, replicated(mesh))
    state = recipe.start(variables)

    def run() -> float:
        nonlocal state
        state, metrics = jax.block_until_ready(step(state, batch))
        return float(metrics["loss"])

    def gradients():
        def filled(params):
            return {**variables, "params": params}

        exact = partial(whole_batch_gradients, objective(network), filled)
        with jax.default_matmul_precision("highest"):
            found = jax.jit(exact)(variables["params"], batch, jax.random.key(0))
        return float(found.loss), named(found.parameters["network"])

    return Trainer(run, gradients)


def objective(network):
    from jaxsim.training.objectives.criteria import TripletCriterion
    from jaxsim.training.objectives.descriptor import DescriptorObjective

    return DescriptorObjective(network, TripletCriterion(margin=MARGIN, squared=True))


def in_own_process(system: str, case: Case, *, quick: bool) -> float:
    command = [sys.executable, __file__, "--memory-of", system]
    command += ["--case", case.name, "--norm", case.norm] + ["--quick"] * quick
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout.split()[-1])


def peak_mib(system: str, case: Case) -> float:
    """Memory of a process on a CPU while it runs steps already compiled."""
    from bench_embed import torch_backbone
    from bench_search import memory_mib

    twin = torch_backbone(case.network)
    if system == "jaxsim":
        trainer = jaxsim_trainer(case, twin.state_dict())
    else:
        trainer = torch_trainer(case, twin, "cpu")
    trainer.step()
    Path("/proc/self/clear_refs").write_text("5")  # Starts a new peak.
    for _ in range(2):
        trainer.step()
    return memory_mib("VmHWM")


def device_peak_mib(system: str) -> float:
    """The most memory that this process has had on the GPU in one system."""
    if system == "jaxsim":
        import jax

        return jax.local_devices()[0].memory_stats()["peak_bytes_in_use"] / 2**20
    import torch

    return torch.cuda.max_memory_allocated() / 2**20


if __name__ == "__main__":
    restart_with_huge_pages()  # As `jaxsim` does; PyTorch gains from it too.
    main()
