"""IVF-PQ against faiss' IVF-PQ: recall@10 against queries per second.

Both index the same random clusters with the same lists, bytes a row and training
vectors, and search them with the same threads, taking turns in one process, at several
numbers of probed lists. Neighbours are those of exact search. A ratio is ours by faiss'
queries per second at equal recall, faiss' read off its curve.

faiss' threads wait for each other by spinning: on a machine with other work, set
OMP_WAIT_POLICY=PASSIVE, or its curve is that of the waiting.

  python benchmarks/bench_ivfpq.py --json ivfpq.json
  python benchmarks/bench_ivfpq.py --quick
"""

import argparse
import importlib.util
import os
import time
from dataclasses import dataclass

import numpy as np

from jaxsim.core.memory import restart_with_huge_pages

K = 10
PAUSE_S = 0.3
THREADS = len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Sizes:
    """What is indexed and how it is asked."""

    name: str
    rows: int
    dimension: int
    clusters: int
    queries: int
    lists: int
    code_bytes: int
    probes: tuple[int, ...]
    batches: tuple[int, ...]


FULL = Sizes(
    "1m128", 1_000_000, 128, 20_000, 1024, 1024, 32, (1, 2, 4, 8, 16, 32, 64), (1, 1024)
)
QUICK = Sizes("20k32", 20_000, 32, 400, 64, 32, 16, (1, 4, 16), (1, 64))


def main() -> None:
    options = parse_options()
    sizes = QUICK if options.quick else FULL
    peer = importlib.util.find_spec("faiss") is not None
    if not peer:
        print("faiss is not installed (pip install faiss-cpu): no ratios")
    turns = 1 if options.quick else options.turns
    metrics = measured(sizes, turns, peer)
    for name, value in metrics.items():
        print(f"{name:44s} {value:12.4f}")
    if options.json:
        from _report import write_report

        settings = {
            "k": K,
            "turns": turns,
            "threads": THREADS,
            "lists": sizes.lists,
            "code_bytes": sizes.code_bytes,
            "clusters": sizes.clusters,
            "load_average": os.getloadavg()[0],
        }
        write_report(options.json, metrics, settings)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small, a few seconds")
    parser.add_argument("--turns", type=int, default=5, help="of each system")
    parser.add_argument("--json", metavar="FILE", help="write the numbers here")
    parser.add_argument(
        "--data", metavar="DIR", help="not needed here: the vectors are random"
    )
    return parser.parse_args()


def measured(sizes: Sizes, turns: int, peer: bool) -> dict[str, float]:
    vectors, queries = random_clusters(sizes)
    neighbours = exact_neighbours(vectors, queries)
    makers = {"jaxsim": jaxsim_index} | ({"faiss": faiss_index} if peer else {})
    metrics, systems = {}, {}
    for system, make in makers.items():
        start = time.perf_counter()
        systems[system] = make(vectors, sizes)
        metrics[f"{sizes.name}/{system}_build_s"] = time.perf_counter() - start
        print(f"{system}: built in {time.perf_counter() - start:.1f} s", flush=True)
    for batch in sizes.batches:
        curves: dict[str, list[tuple[float, float]]] = {name: [] for name in systems}
        for probes in sizes.probes:
            seconds, found = take_turns(systems, queries, probes, batch, turns)
            for system, times in seconds.items():
                recall = recall_of(found[system], neighbours[: len(found[system])])
                qps = len(found[system]) / float(np.median(times))
                curves[system].append((recall, qps))
                name = f"{sizes.name}_batch{batch}/{system}_probes{probes}"
                metrics |= {f"{name}_recall": recall, f"{name}_qps": qps}
                print(f"{name} recall {recall:.3f} qps {qps:.0f}", flush=True)
        if peer:
            for (recall, qps), probes in zip(
                curves["jaxsim"], sizes.probes, strict=True
            ):
                theirs = at_recall(curves["faiss"], recall)
                name = f"ratio/{sizes.name}_batch{batch}_probes{probes}"
                if theirs is not None:
                    metrics[name] = qps / theirs
    return metrics


def take_turns(systems, queries, probes: int, batch: int, turns: int):
    """Seconds for a round of queries, and the ids found, of each system."""
    asked = queries[: len(queries) if batch > 1 else min(len(queries), 32)]
    parts = [asked[start : start + batch] for start in range(0, len(asked), batch)]
    seconds: dict[str, list[float]] = {system: [] for system in systems}
    found = {}
    for system, search in systems.items():
        found[system] = np.concatenate([search(part, probes) for part in parts])
    for turn in range(turns):
        for system in list(systems)[:: 1 if turn % 2 else -1]:
            # The other's threads spin for a while after its last search.
            time.sleep(PAUSE_S if len(systems) > 1 else 0)
            start = time.perf_counter()
            for part in parts:
                systems[system](part, probes)
            seconds[system].append(time.perf_counter() - start)
    return seconds, found


def recall_of(found: np.ndarray, neighbours: np.ndarray) -> float:
    shares = [np.isin(n, f).mean() for f, n in zip(found, neighbours, strict=True)]
    return float(np.mean(shares))


def at_recall(curve: list[tuple[float, float]], recall: float) -> float | None:
    """Reads queries per second off a curve; None beyond its ends."""
    recalls, qps = np.array(sorted(curve)).T
    if not recalls[0] <= recall <= recalls[-1]:
        return None
    return float(np.exp(np.interp(recall, recalls, np.log(qps))))


def exact_neighbours(vectors: np.ndarray, queries: np.ndarray) -> np.ndarray:
    from jaxsim.index.exact import ExactIndex

    return ExactIndex(vectors).search(queries, K).ids


def training_rows(vectors: np.ndarray, sizes: Sizes) -> np.ndarray:
    """The vectors that both systems are trained on."""
    from jaxsim.index.kind import Kind

    most = Kind.parse(f"ivfpq:{sizes.lists},{sizes.code_bytes}").most_training_rows
    return vectors[:: -(-len(vectors) // most)]


def jaxsim_index(vectors: np.ndarray, sizes: Sizes):
    from jaxsim.index.ivfpq import train_ivfpq

    index = train_ivfpq(
        training_rows(vectors, sizes), lists=sizes.lists, code_bytes=sizes.code_bytes
    )
    index.add(vectors)

    def search(queries, probes):
        index.set_probes(probes)
        return index.search(queries, K).ids

    return search


def faiss_index(vectors: np.ndarray, sizes: Sizes):
    import faiss

    faiss.omp_set_num_threads(THREADS)
    index = faiss.index_factory(
        sizes.dimension,
        f"IVF{sizes.lists},PQ{sizes.code_bytes}",
        faiss.METRIC_INNER_PRODUCT,
    )
    index.train(training_rows(vectors, sizes))
    index.add(vectors)

    def search(queries, probes):
        index.nprobe = probes
        return index.search(queries, K)[1]

    return search


def random_clusters(sizes: Sizes) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors around random centres, and queries drawn in the same way."""
    rng = np.random.default_rng(0)
    centres = unit(rng.standard_normal((sizes.clusters, sizes.dimension), np.float32))

    def draw(count: int) -> np.ndarray:
        drawn = np.empty((count, sizes.dimension), np.float32)
        for start in range(0, count, 65536):
            block = drawn[start : start + 65536]
            rng.standard_normal(block.shape, np.float32, out=block)
            block *= np.float32(0.7 / sizes.dimension**0.5)
            block += centres[rng.integers(0, len(centres), len(block))]
            block[:] = unit(block)
        return drawn

    return draw(sizes.rows), draw(sizes.queries)


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


if __name__ == "__main__":
    restart_with_huge_pages()  # As `jaxsim` does.
    main()
