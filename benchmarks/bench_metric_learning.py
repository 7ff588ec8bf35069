"""Metric learning on classes never seen, against PyTorch Metric Learning.

Both fine-tune EfficientNet-Lite0 with a GeM descriptor on grocery classes below 41 and
are measured on the 2,370 photos of classes from 41 on: each photo queries the others.
PyTorch Metric Learning runs its batch-hard miner and triplet loss (margin 0.2), Adam
1e-4, 8 labels x 4 images of 192 px, frozen batch norm. jaxsim runs the same with a rate
that falls to 0 (configs/grocery_triplet.py), and the recipe of configs/grocery_best.py.
One process each, one after the other, with the same threads; the descriptors of both
are judged by the same code. Seconds are those of training steps; ours decode their
photos meanwhile, PyTorch's are decoded beforehand. Compilation and evaluation are
excluded and told apart.

  python benchmarks/bench_metric_learning.py --data DIR       # about 30 minutes
  python benchmarks/bench_metric_learning.py --quick --data DIR
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from jaxsim.core.memory import restart_with_huge_pages

THREADS = len(os.sched_getaffinity(0))
SYSTEMS = ("best", "jaxsim", "torch")
MARGIN, RATE, SIZE_PX = 0.2, 1e-4, 192
LABELS, PER_LABEL = 8, 4
MEASURES = ("map@r", "recall@1")


def main() -> None:
    options = parse_options()
    if options.system:
        curve = measure(options)
        Path(options.curve).write_text(json.dumps(curve))
        return
    curves = {system: in_own_process(system, options) for system in SYSTEMS}
    metrics = compare(curves)
    for name, value in metrics.items():
        print(f"{name:40s} {value:10.4f}")
    if options.json:
        from _report import write_report

        settings = {
            "steps": options.steps,
            "threads": THREADS,
            "curves": curves,
            "load_average": os.getloadavg()[0],
        }
        write_report(options.json, metrics, settings)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, metavar="DIR", help="grocery photos")
    parser.add_argument("--quick", action="store_true", help="two steps, few photos")
    parser.add_argument("--steps", type=int, default=300, help="of the plain setting")
    parser.add_argument("--json", metavar="FILE", help="write the numbers here")
    parser.add_argument("--system", choices=SYSTEMS, help=argparse.SUPPRESS)
    parser.add_argument("--curve", help=argparse.SUPPRESS)
    return parser.parse_args()


def in_own_process(system: str, options: argparse.Namespace) -> list[dict]:
    with tempfile.TemporaryDirectory() as folder:
        curve = Path(folder) / "curve.json"
        command = [sys.executable, __file__, "--data", options.data, "--system", system]
        command += ["--curve", str(curve), "--steps", str(options.steps)]
        command += ["--quick"] * options.quick
        subprocess.run(command, check=True)
        return json.loads(curve.read_text())


def compare(curves: dict[str, list[dict]]) -> dict[str, float]:
    """Numbers at the same images and at the same seconds as PyTorch's last point."""
    peer = curves["torch"][-1]
    metrics = {
        "unseen/map@r": curves["best"][-1]["map@r"],
        "unseen/recall@1": curves["best"][-1]["recall@1"],
    }
    for system, curve in curves.items():
        last = curve[-1]
        metrics |= {
            f"{system}/untrained_map@r": curve[0]["map@r"],
            f"{system}/map@r": last["map@r"],
            f"{system}/recall@1": last["recall@1"],
            f"{system}/images": last["images"],
            f"{system}/seconds": last["seconds"],
            f"{system}/images_per_s": last["images"] / last["seconds"],
        }
        if system != "torch":
            for name in ("map@r", "recall@1"):
                metrics[f"{system}/{name}_at_equal_images"] = at(
                    curve, "images", peer["images"], name
                )
                metrics[f"{system}/{name}_at_equal_seconds"] = at(
                    curve, "seconds", peer["seconds"], name
                )
    metrics["ratio/images_per_s"] = (
        metrics["jaxsim/images_per_s"] / metrics["torch/images_per_s"]
    )
    return metrics


def at(curve: list[dict], axis: str, place: float, name: str) -> float:
    """Interpolates a curve; beyond its end it keeps its last value."""
    places, values = [row[axis] for row in curve], [row[name] for row in curve]
    return float(np.interp(place, places, values))


def measure(options: argparse.Namespace) -> list[dict]:
    steps = 2 if options.quick else options.steps
    every = 1 if options.quick else max(steps // 6, 1)
    if options.system == "torch":
        return torch_curve(Path(options.data), steps, every, quick=options.quick)
    return jaxsim_curve(options.system, Path(options.data), steps, every, options.quick)


def unseen(root: Path, *, quick: bool):
    """The set that is measured; a part of it for a quick look."""
    from jaxsim.data.datasets import grocery
    from jaxsim.data.records import RetrievalSet

    data = grocery.load(root)[1]
    chosen = list(data.database)[:: 40 if quick else 1]
    return RetrievalSet(name="unseen", database=chosen)


def judged(data, vectors: np.ndarray) -> dict[str, float]:
    """MAP@R and R@1 of descriptors, one row a record of the set."""
    from jaxsim.core.progress import no_bars
    from jaxsim.evaluation.protocols.same_label import SameLabel
    from jaxsim.experiment.evaluate import judge
    from jaxsim.pipeline.embed import Embedding

    found = np.ones(len(vectors), bool)
    embedding = Embedding(vectors=vectors, found=found, rejects=())
    metrics = judge(data, SameLabel(), lambda records: embedding, no_bars).metrics
    return {name: metrics[name] for name in MEASURES}


def jaxsim_curve(
    system: str, root: Path, steps: int, every: int, quick: bool
) -> list[dict]:
    """Runs a config as users do and reads its metrics.jsonl."""
    import fiddle as fdl

    from jaxsim.core.progress import no_bars
    from jaxsim.experiment.config_file import load_config
    from jaxsim.experiment.train import train
    from jaxsim.training.log import read_rows

    name = "grocery_triplet" if system == "jaxsim" else "grocery_best"
    file = Path(__file__).resolve().parents[1] / "configs" / f"{name}.py"
    options = {} if system == "best" and not quick else {"steps": steps}
    text = ",".join(f"{key}={value}" for key, value in options.items())
    config = load_config(f"{file}:{text}" if text else str(file))
    if system == "jaxsim" or quick:
        config.every.evaluate = every
    config.measure.data = fdl.Partial(_unseen_only, quick=quick)
    with tempfile.TemporaryDirectory() as folder:
        result = train(config, root, Path(folder) / "run", bars=no_bars)
        rows = read_rows(Path(folder) / "run" / "metrics.jsonl")
    batch = config.sampler.num_labels * config.sampler.per_label
    before = result.before.sets[0].metrics
    curve = [{"images": 0, "seconds": 0.0} | {n: before[n] for n in MEASURES}]
    # The first step has no rate, as it waits for its compilation.
    seconds = [batch / row["images_per_s"] for row in rows if "images_per_s" in row]
    typical = float(np.median(seconds))
    first = next(row["time_s"] for row in rows if "loss" in row)
    print(f"{system}: first step {first:.1f} s, then {typical:.2f} s a step")
    spent = np.cumsum([typical, *seconds])
    for row in rows:
        if "eval/unseen/map@r" in row:
            step = row["step"]
            measured = {n: row[f"eval/unseen/{n}"] for n in MEASURES}
            point = {"images": step * batch, "seconds": float(spent[step - 1])}
            curve.append(point | measured)
    return curve


def _unseen_only(root: Path, *, quick: bool):
    return [unseen(root, quick=quick)]


def torch_curve(root: Path, steps: int, every: int, *, quick: bool) -> list[dict]:
    """Trains with PyTorch Metric Learning; the photos are decoded beforehand."""
    import torch
    from pytorch_metric_learning import losses, miners, samplers

    from jaxsim.data.datasets import grocery

    torch.manual_seed(0)
    torch.set_num_threads(THREADS)
    records = grocery.train(root, split=None)[:: 8 if quick else 1]
    images = pixels(records)
    labels = torch.tensor([int(record.label) for record in records])
    data = unseen(root, quick=quick)
    asked = pixels(data.database)
    network = torch_network()
    optimiser = torch.optim.Adam(network.parameters(), RATE)
    loss_of = losses.TripletMarginLoss(margin=MARGIN)
    miner = miners.BatchHardMiner()
    batch = LABELS * PER_LABEL
    sampler = samplers.MPerClassSampler(
        labels, PER_LABEL, batch_size=batch, length_before_new_iter=steps * batch
    )
    drawn = iter(list(sampler))
    curve, seconds = [measured_point(network, data, asked, 0, 0.0)], 0.0
    for step in range(1, steps + 1):
        start = time.perf_counter()
        rows = [next(drawn) for _ in range(batch)]
        descriptors = network(images[rows])
        hard = miner(descriptors, labels[rows])
        loss = loss_of(descriptors, labels[rows], hard)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        seconds += time.perf_counter() - start
        if step % every == 0 or step == steps:
            curve.append(measured_point(network, data, asked, step * batch, seconds))
    return curve


def measured_point(network, data, images, seen: int, seconds: float) -> dict:
    """Describes the unseen photos and judges them."""
    import torch

    with torch.inference_mode():
        vectors = [network(part).numpy() for part in images.split(64)]
    point = {"images": seen, "seconds": seconds} | judged(data, np.concatenate(vectors))
    print(f"torch: {point}", flush=True)
    return point


def pixels(records):
    """All photos as uint8 [N, 3, S, S] in channels-last memory."""
    import torch

    from jaxsim.data.images import decode
    from jaxsim.data.preprocess import Preprocessing

    square = Preprocessing(size_px=SIZE_PX, resize="square")
    images = np.stack([square.apply(decode(record.read())) for record in records])
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def torch_network():
    """Lite0 with packaged weights, frozen batch norm, GeM and unit length."""
    import _torch_models
    import torch
    from torch import nn

    from jaxsim.nn.weights.packaged import packaged_weights
    from jaxsim.nn.weights.state_dict import read_state_dict

    class Descriptor(nn.Module):
        def __init__(self):
            super().__init__()
            self.backbone = _torch_models.lite0()
            stored = read_state_dict(packaged_weights("lite0"))
            names = self.backbone.state_dict()
            self.backbone.load_state_dict(
                {name: torch.from_numpy(stored[name].copy()) for name in names}
            )
            self.p = nn.Parameter(torch.tensor(3.0))

        def forward(self, images):
            maps = self.backbone((images.float() - 127) / 128).clamp(min=1e-6)
            pooled = maps.pow(self.p).mean((2, 3)).pow(1 / self.p)
            return nn.functional.normalize(pooled)

    network = Descriptor().to(memory_format=torch.channels_last)
    return network.eval()  # Evaluation mode freezes the statistics, not the weights.


if __name__ == "__main__":
    restart_with_huge_pages()  # As `jaxsim` does.
    main()
