"""Re-rankers over graphs of neighbours: quality on photos, and speed beside scipy.

Quality: the descriptors are those of configs/grocery.py:pooling=rmac,whiten=regions,
512 numbers, whitened on the train split; the images of the test split query each other.
The number of neighbours is the one of 10, 20 and 50 whose diffusion does best on the
train split, so that nothing is tuned on what is measured.

A harder collection: the reference pictures of the SMVS folders with all these grocery
photos among them, asked by the SMVS phone photos; each has one right answer. With
--smvs DIR.

Speed: the linear systems of all queries on the graph of the test split, solved together
against scipy's conjugate gradients one by one, on the same sparse matrix with the same
right-hand sides, iterations and tolerance, in turns.

  python benchmarks/bench_diffusion.py --data DIR --smvs DIR --json diffusion.json
  python benchmarks/bench_diffusion.py --data DIR --descriptors made_once.npz
  python benchmarks/bench_diffusion.py --data DIR --quick
"""

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxsim.core.errors import InputError
from jaxsim.core.memory import restart_with_huge_pages

NEIGHBOURS = (10, 20, 50)
TURNS, PEER_QUERIES = 3, 200
TOLERANCE = 1e-3
QUICK_PHOTOS, QUICK_PEER_QUERIES = 240, 20
CONFIG = Path(__file__).resolve().parents[1] / "configs" / "grocery.py"
SETTINGS = "pooling=rmac,whiten=regions"


def main() -> None:
    options = parse_options()
    parts = photos(options)
    vectors = described(options, parts)
    metrics: dict[str, float] = {}
    k = best_number(parts, vectors, quick=options.quick)
    methods = methods_with(k)
    metrics |= quality("grocery", grocery_set(parts["test"]), methods, vectors)
    show(metrics)
    for name in ("landmarks", "book_covers"):
        if name in parts:
            data = with_distractors(parts[name], [*parts["test"], *parts["train"]])
            metrics |= quality(f"{name}_among_grocery", data, methods, vectors)
            show(metrics)
    metrics |= speed(parts["test"], vectors, k, quick=options.quick)
    show(metrics)
    if options.json:
        from _report import write_report

        settings = {
            "config": f"configs/grocery.py:{SETTINGS}",
            "neighbours": k,
            "methods": methods,
            "photos": {name: len(images(part)) for name, part in parts.items()},
        }
        write_report(options.json, metrics, settings)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, metavar="DIR", help="grocery photos")
    parser.add_argument("--smvs", metavar="DIR", help="SMVS photos, to make it harder")
    parser.add_argument(
        "--descriptors", type=Path, metavar="FILE", help=".npz to use, or else to make"
    )
    parser.add_argument("--quick", action="store_true", help="few photos, few turns")
    parser.add_argument("--json", metavar="FILE", help="write the numbers here")
    return parser.parse_args()


def show(metrics: dict[str, float]) -> None:
    for name, value in metrics.items():
        print(f"{name:44s} {value:10.4f}")
    print(flush=True)


def photos(options: argparse.Namespace) -> dict:
    """Records of the splits, and the SMVS sets, by name."""
    from jaxsim.data.datasets import grocery, smvs

    test = list(grocery.load(Path(options.data))[0].database)
    train = grocery.train(Path(options.data), max_class=81)
    if options.quick:
        test, train = (some(part) for part in (test, train))
    sets = smvs.load(Path(options.smvs)) if options.smvs else []
    return {"test": test, "train": train} | {data.name: data for data in sets}


def some(records: Sequence) -> list:
    return list(records[:: max(len(records) // QUICK_PHOTOS, 1)][:QUICK_PHOTOS])


def images(part) -> list:
    """Records of a split, or of a retrieval set."""
    return part if isinstance(part, list) else [*part.database, *part.queries]


def described(options: argparse.Namespace, parts: dict) -> dict[str, np.ndarray]:
    """Descriptors by name, all by one model."""
    from jaxsim.cli.progress import progress_bar
    from jaxsim.experiment.build import build_model
    from jaxsim.experiment.config_file import load_config
    from jaxsim.pipeline.descriptor_file import read_descriptors, write_descriptors
    from jaxsim.pipeline.embed import Embedder

    file = options.descriptors
    if file is None or not file.exists():
        records = [record for part in parts.values() for record in images(part)]
        config = load_config(f"{CONFIG}:{SETTINGS}")
        model = build_model(config.model, parts["train"], bars=progress_bar)
        with progress_bar("embed", len(records)) as progress:
            embedding = Embedder(model).embed(records, progress)
        if not embedding.found.all():
            raise SystemExit(f"photos cannot be read: {embedding.rejects[:3]}")
        if file is None:
            names = [record.name for record in records]
            return dict(zip(names, embedding.vectors, strict=True))
        write_descriptors(file, embedding, records, fingerprint=model.fingerprint)
    found = read_descriptors(file)
    return dict(zip(found.names, found.vectors, strict=True))


def stacked(records: Sequence, vectors: dict[str, np.ndarray]) -> np.ndarray:
    missing = [record.name for record in records if record.name not in vectors]
    if missing:
        raise InputError(
            f"{len(missing)} photos have no descriptor in the file, such as "
            f"'{missing[0]}'. Name another file of --descriptors, to be made"
        )
    return np.stack([vectors[record.name] for record in records])


def grocery_set(records: Sequence):
    from jaxsim.data.records import RetrievalSet

    return RetrievalSet(name="photos", database=records)


def with_distractors(data, records: Sequence):
    """The same queries and right images, of a database that has more."""
    from jaxsim.data.records import RetrievalSet

    return RetrievalSet(
        name=data.name,
        database=[*data.database, *records],
        queries=data.queries,
        positives=data.positives,
    )


def methods_with(k: int) -> dict[str, str]:
    """The table of `jaxsim rerank compare`, its graphs with k neighbours."""
    from jaxsim.experiment.rerank_comparison import chosen_methods
    from jaxsim.experiment.reranking import GRAPH_STAGES

    return {
        name: f"{stages.partition(':')[0]}:{k}"
        if stages.partition(":")[0] in GRAPH_STAGES and name != "kreciprocal"
        else stages
        for name, stages in chosen_methods("all").items()
    }


def best_number(parts: dict, vectors: dict, *, quick: bool) -> int:
    """The number of neighbours whose diffusion does best on the train split."""
    numbers = NEIGHBOURS[:2] if quick else NEIGHBOURS
    data = grocery_set(parts["train"])
    found = quality("train", data, {f"dfs:{k}": f"dfs:{k}" for k in numbers}, vectors)
    show(found)
    return max(numbers, key=lambda k: found[f"train/dfs:{k}/map"])


def quality(
    title: str, data, methods: dict[str, str], vectors: dict
) -> dict[str, float]:
    from jaxsim.cli.progress import progress_bar
    from jaxsim.evaluation.protocols.query_reference import QueryReference
    from jaxsim.evaluation.protocols.same_label import SameLabel
    from jaxsim.experiment.compared_sets import ComparedSets
    from jaxsim.experiment.rerank_comparison import compare
    from jaxsim.pipeline.embed import Embedding

    def embedding_of(records: Sequence) -> Embedding:
        found = stacked(records, vectors)
        everyone = np.ones(len(found), bool)
        return Embedding(vectors=found, found=everyone, rejects=())

    compared = ComparedSets(
        sets=[data],
        protocol=SameLabel() if data.queries is None else QueryReference(),
        embedding_of=embedding_of,
        about={},
    )
    found = compare(compared, methods=methods, drawn=False, bars=progress_bar)
    metrics: dict[str, float] = {}
    for method in found.sets[0].methods:
        at = f"{title}/{method.name}"
        metrics |= {
            f"{at}/map": method.metrics["map"],
            f"{at}/recall@1": method.metrics["recall@1"],
            f"{at}/prepare_s": method.prepare_s,
            f"{at}/ms_per_query": method.ms_per_query,
            f"{at}/memory_mb": method.memory_bytes / 1e6,
        }
    return metrics


def speed(records, vectors: dict, k: int, *, quick: bool) -> dict[str, float]:
    """Milliseconds a query of the linear systems alone, ours and scipy's."""
    from scipy import sparse

    from jaxsim.ops.graph import normalised
    from jaxsim.ops.sparse import sparse_matrix
    from jaxsim.rerank.affinity import Affinity, spread_in
    from jaxsim.rerank.base import Gallery
    from jaxsim.rerank.linear_system import Solver, columns_at_once, solve

    found = stacked(records, vectors)
    gallery = Gallery(found, np.ones(len(found), bool))
    affinity, solver, most = Affinity(k=k), Solver(), columns_at_once()
    graph = normalised(affinity.graph(gallery), self_loops=False)
    entry = affinity.entry(gallery.search(found, affinity.kq))
    right = spread_in(*entry, len(found))
    asked = np.linspace(
        0, len(found) - 1, QUICK_PEER_QUERIES if quick else PEER_QUERIES
    ).astype(int)
    matrix = sparse_matrix(graph)
    places = graph.weights, (graph.rows, graph.columns)
    system = sparse.identity(len(found), np.float32, "csr") - np.float32(
        solver.alpha
    ) * sparse.csr_matrix(places, shape=(len(found), len(found)))
    blocks = [slice(start, start + most) for start in range(0, len(found), most)]

    def together() -> np.ndarray:
        return np.concatenate(
            [solve(matrix, right[block], solver, most=most) for block in blocks]
        )

    def alone() -> np.ndarray:
        rows = [solve(matrix, right[[row]], solver, most=most) for row in asked]
        return np.concatenate(rows)

    def peer() -> np.ndarray:
        return np.stack([scipy_solution(system, right[row], solver) for row in asked])

    ways = {"together": together, "alone": alone, "scipy": peer}
    counts = {"together": len(found), "alone": len(asked), "scipy": len(asked)}
    solutions = {name: way() for name, way in ways.items()}  # Compiles, too.
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(1 if quick else TURNS):
        for name, way in ways.items():
            started = time.perf_counter()
            way()
            times[name].append(time.perf_counter() - started)
    expected = solutions["scipy"]
    for name, ours in (
        ("together", solutions["together"][asked]),
        ("alone", solutions["alone"]),
    ):
        gap = np.abs(ours - expected).max() / np.abs(expected).max()
        if not gap < TOLERANCE:
            raise InputError(f"{name}: solutions differ by {gap:.1e} of the largest")
    ms = {name: 1000 * min(times[name]) / counts[name] for name in ways}
    metrics = {f"ms/cg_{name}": value for name, value in ms.items()}
    metrics["ratio/cg_together"] = ms["scipy"] / ms["together"]
    metrics["ratio/cg_alone"] = ms["scipy"] / ms["alone"]
    return metrics


def scipy_solution(system, right: np.ndarray, solver) -> np.ndarray:
    from scipy.sparse.linalg import cg

    return cg(system, right, rtol=solver.tolerance, maxiter=solver.iterations)[0]


if __name__ == "__main__":
    restart_with_huge_pages()  # As `jaxsim` does.
    main()
