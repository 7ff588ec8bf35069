"""What compression costs: bytes a photo against mAP, beside faiss at the same bytes.

The descriptors are those of configs/grocery.py:pooling=rmac,whiten=regions, 512 numbers
of float32; the images of the test split query each other, uncompressed, and mAP is
judged by the config's protocol. Codebooks, rotations and principal directions are
fitted on the train split, as the whitening is, so that nothing was tuned on what is
measured. `NAME_on_index` fits them on the compressed descriptors themselves, as `jaxsim
index --kind` does.

  python benchmarks/bench_pq.py --data DIR --json pq.json
  python benchmarks/bench_pq.py --data DIR --quick
"""

import argparse
import importlib.util
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from jaxsim.core.memory import restart_with_huge_pages

BYTES = (16, 32, 64, 128)
FAMOUS_BYTES = 64
QUICK_PHOTOS, QUICK_BYTES = 320, (64,)
Compress = Callable[[np.ndarray, np.ndarray, int], np.ndarray]


def main() -> None:
    options = parse_options()
    peer = importlib.util.find_spec("faiss") is not None
    if not peer:
        print("faiss is not installed (pip install faiss-cpu): no peer")
    data, tested, trained = described(Path(options.data), quick=options.quick)
    metrics = measured(data, tested, trained, peer, quick=options.quick)
    for name, value in metrics.items():
        print(f"{name:36s} {value:10.4f}")
    if options.json:
        from _report import write_report

        settings = {
            "config": "configs/grocery.py:pooling=rmac,whiten=regions",
            "photos": len(tested),
            "training_photos": len(trained),
        }
        write_report(options.json, metrics, settings)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", required=True, metavar="DIR", help="grocery photos")
    parser.add_argument("--quick", action="store_true", help="few photos, one size")
    parser.add_argument("--json", metavar="FILE", help="write the numbers here")
    return parser.parse_args()


def described(root: Path, *, quick: bool):
    """The test split as a set, its descriptors, and those of the train split."""
    from jaxsim.data.datasets import grocery
    from jaxsim.data.records import RetrievalSet
    from jaxsim.experiment.build import build_model
    from jaxsim.experiment.config_file import load_config
    from jaxsim.pipeline.embed import Embedder

    file = Path(__file__).resolve().parents[1] / "configs" / "grocery.py"
    config = load_config(f"{file}:pooling=rmac,whiten=regions")
    records = list(grocery.load(root)[0].database)
    training = grocery.train(root, max_class=81)
    if quick:
        records = records[:: len(records) // QUICK_PHOTOS][:QUICK_PHOTOS]
        training = training[:: len(training) // QUICK_PHOTOS][:QUICK_PHOTOS]
    embedder = Embedder(build_model(config.model, training))
    tested, trained = (embedder.embed(part) for part in (records, training))
    if not tested.found.all():
        raise SystemExit(f"photos cannot be read: {tested.rejects[:3]}")
    data = RetrievalSet(name="test", database=records)
    return data, tested.vectors, trained.vectors[trained.found]


def measured(data, tested, trained, peer: bool, *, quick: bool) -> dict[str, float]:
    sizes = QUICK_BYTES if quick else BYTES
    whole = judged(data, tested, tested)
    metrics = {f"test/map_{tested.nbytes // len(tested)}": whole}
    for size in sizes:
        for name, compress in METHODS.items():
            if name.startswith("faiss") and not peer:
                continue
            for place, fitted in (("", trained), ("_on_index", tested)):
                kept = compress(fitted, tested, size)
                key = f"test/map_{name}{size}{place}"
                metrics[key] = judged(data, tested, kept)
                print(f"{key} {metrics[key]:.4f}", flush=True)
    lost = f"test/map_pq{FAMOUS_BYTES}"
    metrics[f"test/lost_pq{FAMOUS_BYTES}"] = whole - metrics[lost]
    if peer:
        for size in sizes:
            ours, theirs = (metrics[f"test/map_{n}{size}"] for n in ("pq", "faiss_pq"))
            metrics[f"ratio/pq{size}"] = ours / theirs
    return metrics


def judged(data, queries: np.ndarray, database: np.ndarray) -> float:
    """mAP of what the config's protocol says, whole rankings by inner product."""
    from jaxsim.evaluation.protocols.same_label import SameLabel
    from jaxsim.evaluation.runner import evaluate_set
    from jaxsim.index.complete import rank_all

    everyone = np.ones(len(database), bool)

    def rank(rows: np.ndarray):
        return rank_all(
            queries[rows],
            database,
            queries_found=everyone[rows],
            database_found=everyone,
        )

    return evaluate_set(data, SameLabel(), rank).metrics["map"]


def pq(fitted: np.ndarray, tested: np.ndarray, size: int) -> np.ndarray:
    return quantised(fitted, tested, size, rotate=False)


def opq(fitted: np.ndarray, tested: np.ndarray, size: int) -> np.ndarray:
    return quantised(fitted, tested, size, rotate=True)


def quantised(fitted, tested, size: int, *, rotate: bool) -> np.ndarray:
    """The scores of the index are inner products with these, so ranking is the same."""
    from jaxsim.index.product_quantiser import train_quantiser

    quantiser = train_quantiser(fitted, code_bytes=size, rotate=rotate)
    return quantiser.decode(quantiser.encode(tested))


def pca(fitted: np.ndarray, tested: np.ndarray, size: int) -> np.ndarray:
    """Principal directions alone, float32, four bytes each, scaled to length 1."""
    centred = fitted - fitted.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    kept = directions[:, ::-1][:, : size // tested.itemsize]
    projected = tested @ kept
    projected /= np.linalg.norm(projected, axis=1, keepdims=True)
    return projected @ kept.T


def faiss_pq(fitted: np.ndarray, tested: np.ndarray, size: int) -> np.ndarray:
    import faiss

    faiss.omp_set_num_threads(len(os.sched_getaffinity(0)))
    dimension = tested.shape[1]
    index = faiss.IndexPQ(dimension, size, 8, faiss.METRIC_INNER_PRODUCT)
    index.train(fitted)
    index.add(tested)
    return index.reconstruct_n(0, len(tested))


METHODS: dict[str, Compress] = {
    "pq": pq,
    "opq": opq,
    "pca": pca,
    "faiss_pq": faiss_pq,
}


if __name__ == "__main__":
    restart_with_huge_pages()  # As `jaxsim` does.
    main()
