"""GSS: what it gains on photos without labels, and how time and memory grow.

Quality: configs/gss.py:collection=grocery on the 2,485 test photos, whose R-MAC
descriptors are whitened on the train split; every photo queries the others. The epoch
is chosen by the loss alone; `grocery/gss_last/map` is that of the last.

Speed: one epoch of the full graph beside the same formulas in PyTorch with dense N x N
matrices, both with Â X computed once. The first size is timed in turns in one process,
which gives the ratio; for every size and system one process more tells seconds and how
much its memory grows, until dense matrices no longer fit into the memory that is free.

  python benchmarks/bench_gss.py --data DIR --json gss.json --plot gss.svg
  python benchmarks/bench_gss.py --data DIR --descriptors grocery.npz
  python benchmarks/bench_gss.py --part speed
  python benchmarks/bench_gss.py --quick --part speed
"""

import argparse
import importlib.util
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from jaxsim.core.errors import InputError
from jaxsim.core.memory import restart_with_huge_pages

DIM, NEIGHBOURS, BETA, RATE, GAMMA = 512, 10, 0.25, 1e-4, 0.3
SIZES, QUICK_SIZES = (2500, 10_000, 30_000), (300, 600)
TURNS, QUICK_TURNS = 7, 2
CONFIG = Path(__file__).resolve().parents[1] / "configs" / "gss.py"
QUICK = "epochs=4,dim=32,size_px=64"
LOSSES_AGREE = 1e-4


def main() -> None:
    options = parse_options()
    if options.child:
        print(json.dumps(child(*options.child)))
        return
    metrics: dict[str, float] = {}
    if options.part != "speed":
        metrics |= quality(options)
        show(metrics)
    if options.part != "quality":
        metrics |= speed(options)
        show(metrics)
    if options.json:
        from _report import write_report

        settings = {
            "config": f"configs/gss.py:{settings_of(options)}",
            "dimension": DIM,
            "neighbours": NEIGHBOURS,
            "turns": QUICK_TURNS if options.quick else TURNS,
            "load_average": os.getloadavg()[0],
        }
        write_report(options.json, metrics, settings)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", metavar="DIR", help="grocery photos")
    parser.add_argument(
        "--part", choices=("all", "quality", "speed"), default="all", help="of it"
    )
    parser.add_argument(
        "--descriptors", metavar="FILE", help="of all photos, by jaxsim embed"
    )
    parser.add_argument("--sizes", type=int, nargs="+", help="N of the speed part")
    parser.add_argument("--plot", metavar="SVG", help="draw how time and memory grow")
    parser.add_argument("--quick", action="store_true", help="few epochs, small graphs")
    parser.add_argument("--json", metavar="FILE", help="write the numbers here")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.data is None and options.part != "speed" and not options.child:
        parser.error("give --data DIR, the folder of the grocery photos")
    return options


def show(metrics: dict[str, float]) -> None:
    for name, value in metrics.items():
        print(f"{name:36s} {value:12.4f}")
    print(flush=True)


def settings_of(options: argparse.Namespace) -> str:
    words = ["collection=grocery"]
    if options.quick:
        words.append(QUICK)
    if options.descriptors:
        words.append(f"descriptors={options.descriptors}")
    return ",".join(words)


def quality(options: argparse.Namespace) -> dict[str, float]:
    from jaxsim.cli.progress import progress_bar
    from jaxsim.experiment.config_file import load_config
    from jaxsim.experiment.train import train

    config = load_config(f"{CONFIG}:{settings_of(options)}")
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        result = train(config, Path(options.data), out, bars=progress_bar)
    found = {
        "cosine": result.before.metrics,
        "gss": result.after.metrics,
        "gss_untrained": result.others["untrained"],
        "gss_last": result.others["last epoch"],
    }
    metrics = {f"grocery/{k}/map": v["test/map"] for k, v in found.items()}
    return metrics | {"grocery/gss/epoch": float(result.kept_step)}


def speed(options: argparse.Namespace) -> dict[str, float]:
    sizes = options.sizes or (QUICK_SIZES if options.quick else SIZES)
    turns = QUICK_TURNS if options.quick else TURNS
    systems = ["jaxsim"]
    if importlib.util.find_spec("torch") is None:
        print("torch is not installed: no peer")
    else:
        systems.append("torch")
    metrics: dict[str, float] = {}
    # Before this process takes memory itself.
    for rows in sizes:
        for system in systems:
            found = in_child(system, rows)
            for name, value in (found or {}).items():
                metrics[f"{name}/{system}_{rows}"] = value
            print(f"{system} {rows}: {found or 'does not fit into memory'}", flush=True)
    if len(systems) > 1:
        metrics |= in_turns(systems, sizes[0], turns)
    if options.plot:
        draw(Path(options.plot), sizes, systems, metrics)
    return metrics


def in_turns(systems: list[str], rows: int, turns: int) -> dict[str, float]:
    """Seconds of an epoch of each system, one after the other in one process."""
    epochs = {system: EPOCHS[system](*problem(rows))[0] for system in systems}
    losses = {system: epoch() for system, epoch in epochs.items()}
    gap = abs(losses["jaxsim"] - losses["torch"]) / abs(losses["torch"])
    if not gap < LOSSES_AGREE:
        raise InputError(f"losses differ by {gap:.1e}: {losses}")
    seconds: dict[str, list[float]] = {system: [] for system in systems}
    for _ in range(turns):
        for system, epoch in epochs.items():
            start = time.perf_counter()
            epoch()
            seconds[system].append(time.perf_counter() - start)
    medians = {system: float(np.median(times)) for system, times in seconds.items()}
    metrics = {f"turn_s/{name}_{rows}": value for name, value in medians.items()}
    ratio = medians["torch"] / medians["jaxsim"]
    return metrics | {f"ratio/epoch_{rows}": ratio}


def in_child(system: str, rows: int) -> dict[str, float] | None:
    """What a process of its own measures; None if its memory did not suffice."""
    words = [sys.executable, __file__, "--child", system, str(rows)]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    if "memory" not in done.stderr and done.returncode != -9:
        raise InputError(f"{system} with {rows} rows failed: {done.stderr[-2000:]}")
    return None


def child(system: str, rows: str) -> dict[str, float]:
    vectors, graph = problem(int(rows))
    if system == "torch":
        # So that it fails instead of taking what the machine does not have.
        page = os.sysconf("SC_PAGE_SIZE")
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * page
        most = mapped + os.sysconf("SC_AVPHYS_PAGES") * page
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    epoch, before = EPOCHS[system](vectors, graph)
    start = time.perf_counter()
    epoch()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"epoch_s": seconds, "growth_mib": (peak - before) / 2**20}


def problem(rows: int):
    """Vectors in clusters, and their graph."""
    from jaxsim.ops.graph import normalised, union_graph
    from jaxsim.ops.neighbours import self_neighbours

    random = np.random.default_rng(0)
    centres = random.standard_normal((max(rows // 30, 2), DIM))
    vectors = centres[random.integers(len(centres), size=rows)]
    vectors = vectors + 1.2 * random.standard_normal((rows, DIM))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors = vectors.astype(np.float32)
    graph = normalised(
        union_graph(self_neighbours(vectors, NEIGHBOURS)), self_loops=True
    )
    return vectors, graph


def kernels() -> list[np.ndarray]:
    """The first weights of both layers."""
    random = np.random.default_rng(1)
    noise = [1e-5 * random.standard_normal((DIM, DIM)) for _ in range(2)]
    return [(np.eye(DIM) + part).astype(np.float32) for part in noise]


def jaxsim_epoch(vectors: np.ndarray, graph) -> tuple[Callable[[], float], int]:
    """A training step as `jaxsim train` compiles it, and the memory taken before it."""
    import jax
    import jax.numpy as jnp

    from jaxsim.nn.graph import GraphNetwork
    from jaxsim.ops.sparse import sparse_matrix
    from jaxsim.parallel.mesh import make_mesh
    from jaxsim.training.objectives.guided_similarity import (
        GRAPH,
        NETWORK,
        GuidedSimilarityObjective,
        graph_variables,
    )
    from jaxsim.training.optim import adam
    from jaxsim.training.step import Recipe, compile_step

    recipe = Recipe(
        objective=GuidedSimilarityObjective(network=GraphNetwork(dim=DIM, gamma=GAMMA)),
        optimiser=adam,
        learning_rate=RATE,
    )
    params = {
        f"dense_{i}": {"kernel": jnp.asarray(kernel), "bias": jnp.zeros(DIM)}
        for i, kernel in enumerate(kernels())
    }
    variables = {
        "params": {NETWORK: params},
        GRAPH: graph_variables(sparse_matrix(graph), jnp.asarray(vectors), beta=BETA),
    }
    state = [recipe.start(variables)]
    step = compile_step(recipe, make_mesh()).lower(state[0], {}).compile()

    def epoch() -> float:
        state[0], metrics = step(state[0], {})
        return float(jax.block_until_ready(metrics)["loss"])

    return epoch, _resident()


def torch_epoch(vectors: np.ndarray, graph) -> tuple[Callable[[], float], int]:
    """The same formulas on dense matrices."""
    import torch
    from torch.nn.functional import elu, normalize

    before = _resident()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    adjacency = torch.zeros(graph.nodes, graph.nodes)
    adjacency[torch.from_numpy(graph.rows), torch.from_numpy(graph.columns)] = (
        torch.from_numpy(graph.weights)
    )
    mixed = adjacency @ torch.from_numpy(vectors)
    weights = [torch.from_numpy(k).requires_grad_() for k in kernels()]
    biases = [torch.zeros(DIM, requires_grad=True) for _ in range(2)]
    optimiser = torch.optim.Adam([*weights, *biases], lr=RATE)

    def epoch() -> float:
        optimiser.zero_grad()
        first = mixed @ weights[0] + biases[0]
        second = adjacency @ elu(first) @ weights[1] + biases[1]
        described = normalize(first + GAMMA * elu(second), dim=1)
        scores = torch.relu(described @ described.T)
        loss = (-0.5 * (scores - BETA) ** 2).mean()
        loss.backward()
        optimiser.step()
        return loss.item()

    return epoch, before


EPOCHS = {"jaxsim": jaxsim_epoch, "torch": torch_epoch}


def _resident() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def draw(path: Path, sizes, systems: list[str], metrics: dict[str, float]) -> None:
    """Draws seconds and memory against N, both axes logarithmic."""
    from jaxsim.core.files import atomic_write

    charts = [
        growth(x, f"{title} of an epoch", name, sizes, systems, metrics)
        for x, title, name in ((0, "seconds", "epoch_s"), (360, "MiB", "growth_mib"))
    ]
    body = "".join(charts)
    text = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 260" '
        'font-family="sans-serif" font-size="12"><rect width="720" height="260" '
        f'fill="white"/>{body}</svg>\n'
    )
    with atomic_write(path) as file:
        file.write(text.encode())


def growth(left: int, title: str, name: str, sizes, systems, metrics) -> str:
    """One chart of both systems, at a place."""
    points = {
        system: [
            (rows, metrics[f"{name}/{system}_{rows}"])
            for rows in sizes
            if metrics.get(f"{name}/{system}_{rows}", 0) > 0
        ]
        for system in systems
    }
    values = [value for line in points.values() for _, value in line]
    low, high = np.log10(min(values)) - 0.1, np.log10(max(values)) + 0.1
    first, last = np.log10(min(sizes)), np.log10(max(sizes))

    def place(rows: int, value: float) -> tuple[float, float]:
        x = left + 60 + 260 * (np.log10(rows) - first) / max(last - first, 1e-9)
        return round(x, 1), round(220 - 180 * (np.log10(value) - low) / (high - low), 1)

    parts = [f'<text x="{left + 60}" y="20">{title}, by N; both logarithmic</text>']
    for system, colour in zip(systems, ("#0b62a4", "#b3541e"), strict=False):
        placed = [place(*point) for point in points[system]]
        line = " ".join(f"{x},{y}" for x, y in placed)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}"/>')
        for (x, y), (_, value) in zip(placed, points[system], strict=True):
            parts.append(f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>')
            parts.append(
                f'<text x="{x - 4}" y="{y - 6}" fill="{colour}" text-anchor="end">'
                f"{value:.3g}</text>"
            )
        if placed:
            x, y = placed[-1]
            parts.append(
                f'<text x="{x - 4}" y="{y + 16}" fill="{colour}" text-anchor="end">'
                f"{system}</text>"
            )
    for rows in sizes:
        x, _ = place(rows, 10**low)
        parts.append(f'<text x="{x}" y="240" text-anchor="middle">{rows:,}</text>')
    return "".join(parts)


if __name__ == "__main__":
    restart_with_huge_pages()  # As `jaxsim` does.
    main()
