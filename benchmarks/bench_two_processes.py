"""Training in two processes: the losses of one, and going on after one was killed.

Trains the quickstart for 20 steps four times on this machine's processor: in one
process of two devices; in two processes of one device each, which meet over the
loopback device as machines would over a network; again, and ends one of them by
`kill -9` after step 12; and once more with that folder, to the end. Fails unless the
losses agree to 1e-5, the other process ends with an error within a minute, and the
restarted run ends as the unbroken one.

  python benchmarks/bench_two_processes.py --json two_processes.json
  python benchmarks/bench_two_processes.py --quick
"""

import argparse
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

CONFIG = """
from jaxsim.experiment.descriptors import descriptor_config
from jaxsim.experiment.quickstart import training_config

def get_config(steps: int, size_px: int, checkpoint: int, whitened: bool):
    config = training_config(steps=steps, size_px=size_px)
    config.every.checkpoint = checkpoint
    # Describing the test photographs takes longer than the steps, and changes none.
    config.measure = None
    if not whitened:
        config.model = descriptor_config(pooling="rmac", size_px=size_px)
    return config
"""
"""What configs/quickstart.py trains."""
STEPS, SIZE_PX, KILLED_AFTER, CHECKPOINT = 20, 192, 12, 5
QUICK_STEPS, QUICK_PX, QUICK_KILLED_AFTER, QUICK_CHECKPOINT = 8, 64, 3, 2
MOST_DIFFERENCE, MOST_WAIT_S = 1e-5, 60
TRAINING_S = 1200


def main() -> None:
    options = parse_options()
    steps, size_px = STEPS, SIZE_PX
    killed_after, checkpoint = KILLED_AFTER, CHECKPOINT
    if options.quick:
        steps, size_px = QUICK_STEPS, QUICK_PX
        killed_after, checkpoint = QUICK_KILLED_AFTER, QUICK_CHECKPOINT
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "config.py").write_text(CONFIG)
        asked = f"steps={steps},size_px={size_px},checkpoint={checkpoint}"
        asked += f",whitened={not options.quick}"
        config = f"{root / 'config.py'}:{asked}"
        job = Job(root, config, Path(options.data or root / "data"))
        metrics = measure(job, steps=steps, killed_after=killed_after)
    for name, value in metrics.items():
        print(f"{name:32s} {value:.3g}")
    if options.json:
        from _report import write_report

        write_report(options.json, metrics, {"steps": steps, "size_px": size_px})
    failed = [n for n, most in LIMITS.items() if not metrics[n] <= most]
    if failed:
        raise SystemExit(f"too large: {', '.join(failed)}")


LIMITS = {
    "loss_difference/pair": MOST_DIFFERENCE,
    "loss_difference/restarted": MOST_DIFFERENCE,
    "parameter_difference/restarted": MOST_DIFFERENCE,
    "missed_after_s": MOST_WAIT_S,
}


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", metavar="DIR", help="where photo_views is kept; default: nowhere"
    )
    parser.add_argument(
        "--quick", action="store_true", help="eight steps on small images, not whitened"
    )
    parser.add_argument("--json", metavar="FILE", help="write the numbers here")
    return parser.parse_args()


class Job:
    """Starts trainings of one config, each into a folder of its own."""

    def __init__(self, root: Path, config: str, data: Path):
        self.root = root
        self.words = [sys.executable, "-m", "jaxsim.cli.main", "train", config]
        self.words += ["--data", str(data)]

    def start(self, name: str, *, devices: int, **names: str) -> subprocess.Popen:
        """Starts a process; what it says goes to a file."""
        environment = os.environ | {
            "JAX_PLATFORMS": "cpu",
            "JAX_NUM_CPU_DEVICES": str(devices),
            "XLA_FLAGS": "",
        }
        log = self.root / f"{name}-{names.get('JAX_PROCESS_ID', 0)}.log"
        with log.open("a") as file:
            return subprocess.Popen(
                [*self.words, "--out", str(self.root / name)],
                env=environment | names,
                stdout=file,
                stderr=file,
            )

    def pair(self, name: str) -> list[subprocess.Popen]:
        """Starts two processes that train together."""
        with socket.socket() as free:
            free.bind(("localhost", 0))
            port = free.getsockname()[1]
        together = {
            "JAX_COORDINATOR_ADDRESS": f"localhost:{port}",
            "JAX_NUM_PROCESSES": "2",
        }
        return [
            self.start(name, devices=1, JAX_PROCESS_ID=str(number), **together)
            for number in (0, 1)
        ]

    def finish(self, name: str, processes: list[subprocess.Popen]) -> None:
        """Waits for processes that are to succeed."""
        codes = [process.wait(TRAINING_S) for process in processes]
        if any(codes):
            logs = [p.read_text()[-3000:] for p in sorted(self.root.glob(f"{name}-*"))]
            raise SystemExit(f"{name} ended with {codes}:\n" + "\n".join(logs))

    def losses(self, name: str) -> dict[int, float]:
        """Returns the losses that a run has told, by step; those told last count."""
        path = self.root / name / "metrics.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        rows = []
        for line in lines:
            try:
                rows.append(json.loads(line))
            except ValueError:
                continue  # the end of the file is being written
        return {row["step"]: row["loss"] for row in rows if "loss" in row}

    def parameters(self, name: str) -> dict[str, np.ndarray]:
        """Returns the arrays of the model that a run has kept."""
        with np.load(self.root / name / "model" / "parameters.npz") as stored:
            return dict(stored)


def measure(job: Job, *, steps: int, killed_after: int) -> dict[str, float]:
    """Trains four times and compares."""
    metrics: dict[str, float] = {}
    begun = time.perf_counter()
    job.finish("alone", [job.start("alone", devices=2)])
    metrics["seconds/alone"] = time.perf_counter() - begun
    begun = time.perf_counter()
    job.finish("pair", job.pair("pair"))
    metrics["seconds/pair"] = time.perf_counter() - begun
    metrics |= differences(job, "pair", "alone", steps=steps)
    first, second = job.pair("restarted")
    deadline = time.monotonic() + TRAINING_S
    while max(job.losses("restarted"), default=0) < killed_after:
        if first.poll() is not None or time.monotonic() > deadline:
            raise SystemExit("the pair to be killed ended or stood still before that")
        time.sleep(0.02)
    os.kill(second.pid, signal.SIGKILL)
    died = time.monotonic()
    code = first.wait(TRAINING_S)
    metrics["missed_after_s"] = time.monotonic() - died
    if not code:
        raise SystemExit("the other process did not notice that its partner was killed")
    second.wait()
    last = (job.root / "restarted-0.log").read_text().strip().splitlines()[-1]
    print(f"killed after step {killed_after}; the other ended with {code}: {last}")
    metrics["steps_before_kill"] = max(job.losses("restarted"))
    job.finish("restarted", job.pair("restarted"))
    return metrics | differences(job, "restarted", "pair", steps=steps)


def differences(job: Job, name: str, other: str, *, steps: int) -> dict[str, float]:
    """Returns how far losses and parameters of two runs are apart."""
    ours, theirs = job.losses(name), job.losses(other)
    if not ours.keys() == theirs.keys() == set(range(1, steps + 1)):
        raise SystemExit(f"{name} and {other} told the losses of other steps")
    loss = max(abs(ours[step] - theirs[step]) for step in ours)
    arrays, wanted = job.parameters(name), job.parameters(other)
    apart = max(float(np.abs(arrays[n] - wanted[n]).max()) for n in wanted)
    print(f"losses of {name}: {ours[1]:.6f} … {ours[steps]:.6f}", flush=True)
    return {f"loss_difference/{name}": loss, f"parameter_difference/{name}": apart}


if __name__ == "__main__":
    main()
