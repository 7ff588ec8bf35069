"""GSS: what it gains on photos without labels, and how time and memory grow.

Quality: configs/gss.py:collection=grocery on the 2,485 test photos at 224 px, whose
R-MAC descriptors are whitened on the train split; every photo queries the others. With
--smvs DIR a harder collection, too: configs/gss_smvs.py, the references of Stanford
Mobile Visual Search among all grocery photos, asked by its phone photos, each of which
has one right answer. Beside it the cosine, query expansion and diffusion on the same
descriptors. The epoch is chosen by the loss alone; `grocery/gss_last/map` is that of
the last.

Speed: one epoch of the full graph beside the same formulas in PyTorch with dense N x N
matrices, both with Â X computed once. For every number of --nodes and each system a
process of its own tells seconds of one epoch and how much its memory grows; the first
number is timed in turns in one process, too, which gives the ratio. Dense matrices may
take --peer-gib: PyTorch is left out, with a line that says so, where they take more.

  python benchmarks/bench_gss.py --data DIR --smvs DIR --json gss.json --plot gss.svg
  python benchmarks/bench_gss.py --data DIR --descriptors grocery.npz
  python benchmarks/bench_gss.py --part speed --plot gss.svg
  python benchmarks/bench_gss.py --part speed --nodes 100000 --json scale.json
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
FEWEST = 2 * NEIGHBOURS
PEER_GIB = 6.0
CONFIGS = Path(__file__).resolve().parents[1] / "configs"
METHODS = "alpha_qe,dfs"
QUICK = "epochs=4,dim=32,size_px=64"
LOSSES_AGREE = 1e-4


def main() -> None:
    options = parse_options()
    if options.child:
        system, problem_file = options.child
        print(json.dumps(child(system, Path(problem_file), options.peer_gib)))
        return
    metrics: dict[str, float] = {}
    if options.part != "quality":
        # Before this process takes memory itself.
        metrics |= speed(options)
        show(metrics)
    if options.part != "speed":
        found = quality(grocery_config(options), options.data, "grocery")
        show(found)
        metrics |= found
        if options.smvs:
            found = quality(smvs_config(options), options.smvs, None)
            show(found)
            metrics |= found
    if options.json:
        from _report import write_report

        settings = {
            "configs": [grocery_config(options), smvs_config(options)],
            "methods": METHODS,
            "dimension": DIM,
            "neighbours": NEIGHBOURS,
            "nodes": options.nodes,
            "turns": QUICK_TURNS if options.quick else TURNS,
            "peer_gib": options.peer_gib,
            "load_average": os.getloadavg()[0],
        }
        write_report(options.json, metrics, settings)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", metavar="DIR", help="grocery photos")
    parser.add_argument("--smvs", metavar="DIR", help="SMVS photos, to make it harder")
    parser.add_argument(
        "--part", choices=("all", "quality", "speed"), default="all", help="of it"
    )
    parser.add_argument(
        "--descriptors", metavar="FILE", help="of all grocery photos, by jaxsim embed"
    )
    parser.add_argument(
        "--nodes", type=int, nargs="+", metavar="N", help="of the speed part's graphs"
    )
    parser.add_argument(
        "--peer-gib", type=float, default=PEER_GIB, help="memory of dense matrices"
    )
    parser.add_argument("--plot", metavar="SVG", help="draw how time and memory grow")
    parser.add_argument("--quick", action="store_true", help="few epochs, small graphs")
    parser.add_argument("--json", metavar="FILE", help="write the numbers here")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if min(options.nodes or SIZES) < FEWEST:
        parser.error(f"--nodes: graphs have at least {FEWEST}")
    if options.data is None and options.part != "speed" and not options.child:
        parser.error("give --data DIR, the folder of the grocery photos")
    return options


def show(metrics: dict[str, float]) -> None:
    for name, value in metrics.items():
        print(f"{name:36s} {value:12.4f}")
    print(flush=True)


def grocery_config(options: argparse.Namespace) -> str:
    words = ["collection=grocery", QUICK if options.quick else "size_px=224,epochs=100"]
    if options.descriptors:
        words.append(f"descriptors={options.descriptors}")
    return f"{CONFIGS / 'gss.py'}:{','.join(words)}"


def smvs_config(options: argparse.Namespace) -> str:
    photos = f"{options.data}/val" if options.quick else options.data
    size = QUICK if options.quick else "size_px=320,epochs=40"
    return f"{CONFIGS / 'gss_smvs.py'}:distractors={photos},{size}"


def quality(reference: str, data: str, title: str | None) -> dict[str, float]:
    """Trains, and measures the rivals on the same descriptors.

    Args:
      reference: a config with its options.
      data: its folder.
      title: of the numbers; None takes the names of the sets.
    """
    from jaxsim.cli.progress import progress_bar
    from jaxsim.experiment.compared_sets import ComparedSets
    from jaxsim.experiment.config_file import load_config
    from jaxsim.experiment.construct import construct
    from jaxsim.experiment.graph_images import graph_images
    from jaxsim.experiment.graphs import open_graph
    from jaxsim.experiment.rerank_comparison import chosen_methods, compare
    from jaxsim.experiment.train import train

    config = load_config(reference)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        result = train(config, Path(data), out, bars=progress_bar)
        images = graph_images(config, Path(data), out, progress_bar)
        compared = ComparedSets(
            sets=images.sets,
            protocol=construct(config.measure).protocol,
            embedding_of=images.of,
            about={},
        )
        found = compare(
            compared,
            methods=chosen_methods(METHODS),
            graph=open_graph(out).trained,
            drawn=False,
            bars=progress_bar,
        )
    metrics: dict[str, float] = {}
    for part in found.sets:
        at = title or f"{part.name}_among_grocery"
        for method in part.methods:
            metrics[f"{at}/{method.name}/map"] = method.metrics["map"]
        for name, epoch in (("untrained", "untrained"), ("last", "last epoch")):
            value = result.others[epoch][f"{part.name}/map"]
            metrics[f"{at}/gss_{name}/map"] = value
        metrics[f"{at}/gss/epoch"] = float(result.kept_step)
    return metrics


def speed(options: argparse.Namespace) -> dict[str, float]:
    sizes = options.nodes or (QUICK_SIZES if options.quick else SIZES)
    turns = QUICK_TURNS if options.quick else TURNS
    systems = ["jaxsim"]
    if importlib.util.find_spec("torch") is None:
        print("torch is not installed: no peer")
    else:
        systems.append("torch")
    metrics: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        files = [make_problem(rows, Path(folder)) for rows in sizes]
        for rows, file in zip(sizes, files, strict=True):
            for system in systems:
                found = None
                if system == "jaxsim" or dense_gib(rows) < options.peer_gib:
                    found = in_child(system, file, options.peer_gib)
                for name, value in (found or {}).items():
                    metrics[f"{name}/{system}_{rows}"] = value
                text = found or (
                    f"does not fit into {options.peer_gib:g} GiB: each of its dense "
                    f"matrices takes {dense_gib(rows):.2g}; skipped"
                )
                print(f"{system} {rows}: {text}", flush=True)
        if f"epoch_s/torch_{sizes[0]}" in metrics:
            metrics |= in_turns(systems, files[0], sizes[0], turns)
        elif len(systems) > 1:
            print(f"no ratio: torch did not train on the first, {sizes[0]}")
    if options.plot:
        from _growth import draw

        draw(Path(options.plot), sizes, systems, metrics)
    return metrics


def dense_gib(rows: int) -> float:
    """Memory of one matrix of float32 [N, N]."""
    return 4 * rows**2 / 2**30


def in_turns(systems: list[str], file: Path, rows: int, turns: int) -> dict[str, float]:
    """Seconds of an epoch of each system, one after the other in one process."""
    epochs = {system: EPOCHS[system](*read_problem(file))[0] for system in systems}
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


def in_child(system: str, file: Path, peer_gib: float) -> dict[str, float] | None:
    """What a process of its own measures; None if its memory did not suffice."""
    words = [sys.executable, __file__, "--child", system, str(file)]
    words += ["--peer-gib", str(peer_gib)]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode == 0:
        return json.loads(done.stdout.splitlines()[-1])
    if "memory" not in done.stderr and done.returncode != -9:
        raise InputError(f"{system} on {file} failed: {done.stderr[-2000:]}")
    return None


def child(system: str, file: Path, peer_gib: float) -> dict[str, float]:
    vectors, graph = read_problem(file)
    if system == "torch":
        import torch  # noqa: F401, so that its own libraries are not counted

        page = os.sysconf("SC_PAGE_SIZE")
        mapped = int(Path("/proc/self/statm").read_text().split()[0]) * page
        most = mapped + int(peer_gib * 2**30)
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
    epoch, before = EPOCHS[system](vectors, graph)
    start = time.perf_counter()
    epoch()
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {"epoch_s": seconds, "growth_mib": (peak - before) / 2**20}


def make_problem(rows: int, folder: Path) -> Path:
    """Writes vectors in clusters, and their graph."""
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
    edges = {name: getattr(graph, name) for name in ("rows", "columns", "weights")}
    file = folder / f"{rows}.npz"
    np.savez(file, vectors=vectors, **edges)
    return file


def read_problem(file: Path):
    """Returns vectors float32 [N, D] and their normalised graph."""
    from jaxsim.ops.graph import Graph

    with np.load(file) as stored:
        edges = [stored[name] for name in ("rows", "columns", "weights")]
        vectors = stored["vectors"]
    return vectors, Graph(*edges, nodes=len(vectors))


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


if __name__ == "__main__":
    restart_with_huge_pages()  # As `jaxsim` does.
    main()
