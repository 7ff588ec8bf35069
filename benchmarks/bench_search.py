"""Exact search against faiss' flat index, on a GPU PyTorch: queries/s and memory.

Both search the same random unit vectors with the same threads, taking turns in one
process; a ratio is the median over turns of faiss' seconds by jaxsim's. Memory is
measured in a process of its own: the peak of a search above the vectors themselves.

One query is bound by reading the vectors once, which faiss does with one thread. A
batch of 256 is bound by the matrix product, where both are equal as long as the memory
of scores is used again: fresh pages cost a third of the time on top of it.

On a GPU the peer is PyTorch's matrix product and topk, in float32 as ours, over
1,000,000 x 2,048, and memory is that of the device.

  python benchmarks/bench_search.py                 # about 3 minutes on 2 cores
  python benchmarks/bench_search.py --quick --json search.json
"""

import argparse
import importlib.util
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jaxsim.core.memory import restart_with_huge_pages

Search = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]
BATCHES = (1, 256)
PAUSE_S = 0.3
THREADS = len(os.sched_getaffinity(0))


@dataclass(frozen=True)
class Sizes:
    """How many vectors, how long, and how many results."""

    rows: int
    dimension: int
    k: int

    @property
    def name(self) -> str:
        """Prefix of the numbers measured at these sizes."""
        if self.rows % 1_000_000 == 0:
            return f"{self.rows // 1_000_000}m{self.dimension}"
        return f"{self.rows // 1000}k{self.dimension}"


SPEED, MEMORY = Sizes(200_000, 512, 100), Sizes(1_000_000, 256, 100)
GPU_SPEED = Sizes(1_000_000, 2048, 100)
QUICK_SPEED, QUICK_MEMORY = Sizes(20_000, 64, 10), Sizes(50_000, 32, 10)


def main() -> None:
    options = parse_options()
    if options.memory_of:
        system, *numbers = options.memory_of
        print(peak_extra_mib(system, Sizes(*map(int, numbers))))
        return
    # PyTorch needs a part of the GPU's memory too.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    import jax

    on_gpu = jax.default_backend() == "gpu"
    peer = "torch" if on_gpu else "faiss"
    speed, memory = (GPU_SPEED if on_gpu else SPEED), MEMORY
    if options.quick:
        speed, memory = QUICK_SPEED, QUICK_MEMORY
    if importlib.util.find_spec(peer) is None:
        print(f"{peer} is not installed: no ratios")
        peer = None
    turns = 1 if options.quick else options.turns
    metrics = measure_speed(speed, turns, peer)
    if on_gpu:
        metrics[f"{speed.name}/extra_mib"] = device_extra_mib(speed)
    else:
        metrics |= measure_memory(speed, memory, peer, quick=options.quick)
    for name, value in metrics.items():
        print(f"{name:36s} {value:12.3f}")
    if options.json:
        from _report import write_report

        settings = {
            "k": speed.k,
            "turns": turns,
            "threads": THREADS,
            "load_average": os.getloadavg()[0],
        }
        write_report(options.json, metrics, settings)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small, a few seconds")
    parser.add_argument("--turns", type=int, default=15, help="of each system")
    parser.add_argument("--json", metavar="FILE", help="write the numbers here")
    parser.add_argument(
        "--data", metavar="DIR", help="not needed here: the vectors are random"
    )
    parser.add_argument("--memory-of", nargs=4, help=argparse.SUPPRESS)
    return parser.parse_args()


def measure_memory(
    speed: Sizes, memory: Sizes, peer: str | None, *, quick: bool
) -> dict[str, float]:
    metrics = {f"{memory.name}/extra_mib": in_own_process("jaxsim", memory)}
    if not quick:
        metrics[f"{speed.name}/extra_mib"] = in_own_process("jaxsim", speed)
    if peer and not quick:
        metrics[f"{speed.name}/{peer}_extra_mib"] = in_own_process(peer, speed)
    return metrics


def measure_speed(sizes: Sizes, turns: int, peer: str | None) -> dict[str, float]:
    vectors = random_vectors(sizes.rows, sizes.dimension)
    queries = random_vectors(max(BATCHES), sizes.dimension, seed=1)
    systems = {"jaxsim": jaxsim_search(vectors, sizes.k)}
    if peer:
        systems[peer] = PEERS[peer](vectors, sizes.k)
    metrics = {}
    for batch in BATCHES:
        name = f"{sizes.name}_batch{batch}"
        asked = queries[:batch]
        found = {system: search(asked) for system, search in systems.items()}
        if peer:
            require_same(*found["jaxsim"], *found[peer])
        seconds = take_turns(systems, asked, turns * 4 if batch == 1 else turns)
        for system, times in seconds.items():
            key = "qps" if system == "jaxsim" else f"{system}_qps"
            metrics[f"{name}/{key}"] = batch / float(np.median(times))
        if peer:
            ratios = np.array(seconds[peer]) / np.array(seconds["jaxsim"])
            metrics[f"ratio/{name}"] = float(np.median(ratios))
        print(f"{name}: {batch / float(np.median(seconds['jaxsim'])):.1f} queries/s")
    return metrics


def take_turns(
    systems: dict[str, Search], queries: np.ndarray, turns: int
) -> dict[str, list[float]]:
    import jax

    on_cpu = jax.default_backend() == "cpu"
    seconds: dict[str, list[float]] = {system: [] for system in systems}
    for turn in range(turns):
        order = list(systems)[:: 1 if turn % 2 else -1]
        for system in order:
            # The other's threads spin for a while after its last search. A GPU that
            # rests is slow to start again.
            time.sleep(PAUSE_S if len(systems) > 1 and on_cpu else 0)
            start = time.perf_counter()
            systems[system](queries)
            seconds[system].append(time.perf_counter() - start)
    return seconds


def require_same(ids, scores, peer_ids, peer_scores) -> None:
    """Fails unless the ids are the same wherever the scores leave no choice."""
    tolerance = 1e-5 * np.abs(scores).max()
    np.testing.assert_allclose(scores, peer_scores, atol=tolerance)
    gap = np.diff(scores, axis=1, append=-np.inf) > -2 * tolerance
    tied = gap | np.roll(gap, 1, axis=1)
    tied[:, -1] = True
    wrong = (ids != peer_ids) & ~tied
    assert not wrong.any(), f"{wrong.sum()} ids differ beyond ties"


def jaxsim_search(vectors: np.ndarray, k: int) -> Search:
    from jaxsim.index.exact import ExactIndex

    index = ExactIndex(vectors)

    def search(queries):
        ranking = index.search(queries, k)
        return ranking.ids, ranking.scores

    return search


def faiss_search(vectors: np.ndarray, k: int) -> Search:
    import faiss

    faiss.omp_set_num_threads(THREADS)
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)

    def search(queries):
        scores, ids = index.search(queries, k)
        return ids, scores

    return search


def torch_search(vectors: np.ndarray, k: int) -> Search:
    import torch

    stored = torch.from_numpy(vectors).to("cuda")

    def search(queries):
        scores = torch.from_numpy(queries).to("cuda") @ stored.T
        found = scores.topk(k)
        return found.indices.cpu().numpy(), found.values.cpu().numpy()

    return search


PEERS = {"faiss": faiss_search, "torch": torch_search}


def random_vectors(rows: int, dimension: int, seed: int = 0) -> np.ndarray:
    """Unit vectors in memory aligned as that of a mapped file is."""
    bytes_ = np.empty(rows * dimension * 4 + 64, np.uint8)
    start = -bytes_.ctypes.data % 64
    vectors = bytes_[start : start + rows * dimension * 4].view(np.float32)
    vectors = vectors.reshape(rows, dimension)
    rng = np.random.default_rng(seed)
    for first in range(0, rows, 8192):
        block = vectors[first : first + 8192]
        rng.standard_normal(block.shape, np.float32, out=block)
        block /= np.linalg.norm(block, axis=1, keepdims=True)
    return vectors


def in_own_process(system: str, sizes: Sizes) -> float:
    numbers = [str(n) for n in (sizes.rows, sizes.dimension, sizes.k)]
    command = [sys.executable, __file__, "--memory-of", system, *numbers]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout.split()[-1])


def peak_extra_mib(system: str, sizes: Sizes) -> float:
    """Memory of building and searching above the process warmed up and the vectors."""
    build = jaxsim_search if system == "jaxsim" else faiss_search
    queries = random_vectors(max(BATCHES), sizes.dimension, seed=1)
    build(random_vectors(1000, sizes.dimension), sizes.k)(queries)
    before = memory_mib("VmRSS")
    vectors = random_vectors(sizes.rows, sizes.dimension)
    search = build(vectors, sizes.k)
    size_mib = vectors.nbytes / 2**20
    del vectors
    Path("/proc/self/clear_refs").write_text("5")  # Starts a new peak.
    for batch in BATCHES:
        search(queries[:batch])
    return memory_mib("VmHWM") - before - size_mib


def device_extra_mib(sizes: Sizes) -> float:
    """The most that this process has had on the GPU, above the vectors."""
    import jax

    peak = jax.local_devices()[0].memory_stats()["peak_bytes_in_use"]
    return (peak - sizes.rows * sizes.dimension * 4) / 2**20


def memory_mib(field: str) -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/self/status has no {field}")


if __name__ == "__main__":
    restart_with_huge_pages()  # As `jaxsim` does.
    main()
