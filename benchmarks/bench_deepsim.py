"""Learned similarity: what each stage gains on photos, and how fast pairs are scored.

Quality: configs/deepsim.py:collection=grocery is trained on the train split of the
classes below 41, whose R-MAC descriptors are whitened on these photos; mAP is that of
at most 600 test photos of these classes ("seen") and of the others ("unseen"), evenly
spaced, which query each other. OASIS and a learned linear map are trained on the same
descriptors. `unseen61/…` is an attempt at classes that training has not seen: the
classes below 61, weight decay and a smaller Δ, measured on those from 61 on.

Speed: 50 queries against 1,000 images by the paper's layers, beside the same network in
PyTorch fed with concatenated pairs, query by query in turn. On a GPU a turn is all
queries at once, both systems multiply in bfloat16, and the share of the peak is told,
too. This part needs no photos: `--part speed`.

  python benchmarks/bench_deepsim.py --data DIR --json deepsim.json
  python benchmarks/bench_deepsim.py --data DIR --descriptors grocery.npz
  python benchmarks/bench_deepsim.py --part speed
  python benchmarks/bench_deepsim.py --data DIR --quick
"""

import argparse
import dataclasses
import importlib.util
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from jaxsim.core.errors import InputError
from jaxsim.core.memory import restart_with_huge_pages

DIM, QUERIES, IMAGES, SHORTLIST = 512, 50, 1000, 100
GPU_TURNS = 50
TOLERANCE = {"cpu": 1e-4, "gpu": 5e-2}
WIDTHS, QUICK_WIDTHS = (4096, 4096), (256, 256)
TRIPLETS, QUICK_TRIPLETS = 1_000_000, 500
MATCHING_PAIRS = 20_000
CONFIG = Path(__file__).resolve().parents[1] / "configs" / "deepsim.py"
SETTINGS = "collection=grocery"
ATTEMPT = "max_class=61,deltas=(0.1,0.2),weight_decay=1.0"
QUICK = "steps=(20,20,20),widths=(32,32),pairs=32,dim=32,size_px=64,most_measured=40"


def main() -> None:
    options = parse_options()
    metrics: dict[str, float] = {}
    if options.part != "speed":
        with tempfile.TemporaryDirectory() as folder:
            if options.descriptors is None:
                options.descriptors = str(described(options, Path(folder)))
            for part in (quality, attempt):
                metrics |= part(options, Path(folder) / part.__name__)
                show(metrics)
    if options.part != "quality":
        metrics |= speed(quick=options.quick)
        show(metrics)
    if options.json:
        from _report import write_report

        settings = {
            "config": f"configs/deepsim.py:{SETTINGS}",
            "attempt": ATTEMPT,
            "triplets": QUICK_TRIPLETS if options.quick else TRIPLETS,
            "queries": QUERIES,
            "images": IMAGES,
            "widths": QUICK_WIDTHS if options.quick else WIDTHS,
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
    parser.add_argument("--quick", action="store_true", help="few steps, small layers")
    parser.add_argument("--json", metavar="FILE", help="write the numbers here")
    options = parser.parse_args()
    if options.data is None and options.part != "speed":
        parser.error("give --data DIR, the folder of the grocery photos")
    return options


def show(metrics: dict[str, float]) -> None:
    for name, value in metrics.items():
        print(f"{name:36s} {value:10.4f}")
    print(flush=True)


def described(options: argparse.Namespace, folder: Path) -> Path:
    """Describes all photos that are trained on or measured, by one model."""
    from jaxsim.cli.progress import progress_bar
    from jaxsim.experiment.build import build_model
    from jaxsim.experiment.embedding import embed_images
    from jaxsim.experiment.indexing import fit_sample

    parts = [
        images_of(config_of(options, f"{SETTINGS}{more},stage=deepsim"), options)
        for more in ("", f",{ATTEMPT}")
    ]
    records = {record.name: record for part in parts for record in part.records}
    model = build_model(
        parts[0].descriptor, fit_sample(parts[0].training), bars=progress_bar
    )
    path = folder / "descriptors.npz"
    embed_images(path, list(records.values()), model=model, bars=progress_bar)
    return path


def quality(options: argparse.Namespace, out: Path) -> dict[str, float]:
    """Every stage, OASIS and a linear map, on seen and on unseen classes."""
    results, config = trained(options, SETTINGS, out)
    maps = stage_maps(results)
    metrics = {f"{name}/{kind}": v for (name, kind), v in maps.items()}
    images = images_of(config.deepsim, options)
    baselines = dict(linear_similarities(images, quick=options.quick))
    last = results["deepsimh"].model
    exact = dataclasses.replace(
        last.similarity(), network=last.network.clone(dtype=np.float32)
    )
    for kind, similarity in {**baselines, "deepsimh_float32": exact}.items():
        for name, value in judged(images, similarity).items():
            metrics[f"{name}/{kind}"] = value
    for name in ("seen", "unseen"):
        metrics[f"{name}/deepsimh_gain"] = (
            metrics[f"{name}/deepsimh"] - metrics[f"{name}/cosine"]
        )
    metrics["seen/deepsimh_over_oasis"] = metrics["seen/deepsimh"] - max(
        metrics["seen/oasis"], metrics["seen/mahalanobis"]
    )
    metrics["seen/scoring_format_change"] = (
        metrics["seen/deepsimh"] - metrics["seen/deepsimh_float32"]
    )
    return metrics


def attempt(options: argparse.Namespace, out: Path) -> dict[str, float]:
    """What helps with classes that training has not seen.

    The first stage, which sees no photos, is that of `quality`.
    """
    from jaxsim.cli.progress import progress_bar
    from jaxsim.experiment.train import train

    start, metrics = out.parent / quality.__name__ / "deepcosine", {}
    for stage in ("deepsim", "deepsimh"):
        config = config_of(options, f"{SETTINGS},{ATTEMPT},stage={stage},start={start}")
        start = out / stage
        result = train(config, Path(options.data), start, bars=progress_bar)
        for kind, found in (("cosine", result.before), (stage, result.after)):
            metrics[f"unseen61/{kind}"] = found.metrics["unseen/map"]
    return metrics


def config_of(options: argparse.Namespace, settings: str):
    from jaxsim.experiment.config_file import load_config

    words = [settings]
    if options.quick:
        words.append(QUICK)
    if options.descriptors:
        words.append(f"descriptors={options.descriptors}")
    config = load_config(f"{CONFIG}:{','.join(words)}")
    if options.quick:
        stage = getattr(config, "deepsimh", config)
        if stage.mining is not None:
            stage.mining.candidates = 100
    return config


def trained(options: argparse.Namespace, settings: str, out: Path):
    from jaxsim.cli.progress import progress_bar
    from jaxsim.experiment.similarity_stages import train_stages

    config = config_of(options, settings)
    results = train_stages(
        config,
        Path(options.data),
        out,
        watch=lambda folder: nullcontext([]),
        bars=progress_bar,
    )
    return results, config


def stage_maps(results) -> dict[tuple[str, str], float]:
    """mAP by (set, stage), the cosine first."""
    first = results["deepcosine"].before
    maps = {(s.name, "cosine"): s.metrics["map"] for s in first.sets}
    for stage, result in results.items():
        maps |= {(s.name, stage): s.metrics["map"] for s in result.after.sets}
    return maps


def images_of(config, options: argparse.Namespace):
    """The photos of one stage, with their descriptors."""
    from jaxsim.core.progress import no_bars
    from jaxsim.experiment.described import described_images

    root = Path(options.data)
    return described_images(config, root, root, no_bars)


def linear_similarities(images, *, quick: bool):
    """OASIS and a linear map, learned from the training descriptors."""
    import jax.numpy as jnp

    from jaxsim.data.samplers import RandomPairs, RandomTriplets
    from jaxsim.ops.whitening import fit_learned
    from jaxsim.rerank.similarity import BilinearSimilarity, MahalanobisSimilarity
    from jaxsim.training.oasis import oasis

    vectors = images.of(images.training).vectors
    labels = [record.label for record in images.training]
    count = QUICK_TRIPLETS if quick else TRIPLETS
    rows = RandomTriplets(labels, triplets=count)(0).reshape(-1, 3)
    matrix, _ = oasis(jnp.asarray(vectors), jnp.asarray(rows))
    yield "oasis", BilinearSimilarity(np.asarray(matrix))
    pairs = RandomPairs(labels, pairs=2 * MATCHING_PAIRS)(0).reshape(-1, 2)[::2]
    dim = vectors.shape[1]
    yield "mahalanobis", MahalanobisSimilarity(fit_learned(vectors, pairs, dim=dim))


def judged(images, similarity) -> dict[str, float]:
    """mAP of each set, everything re-scored."""
    from jaxsim.core.progress import no_bars
    from jaxsim.evaluation.protocols.same_label import SameLabel
    from jaxsim.experiment.evaluate import judge
    from jaxsim.experiment.reranking import StageName

    return {
        data.name: judge(
            data,
            SameLabel(),
            images.of,
            no_bars,
            stages=[StageName("learned", len(data.database))],
            similarity=similarity,
        ).metrics["map"]
        for data in images.sets
    }


def speed(*, quick: bool) -> dict[str, float]:
    import jax
    import jax.numpy as jnp
    from bench_embed import peak_flops

    from jaxsim.nn.similarity import SimilarityNetwork
    from jaxsim.parallel.precision import scoring_dtype
    from jaxsim.rerank.similarity import NetworkSimilarity

    platform = jax.default_backend()
    at_once, turns = (QUERIES, GPU_TURNS) if platform == "gpu" else (1, 1)
    widths = QUICK_WIDTHS if quick else WIDTHS
    queries, images = unit(QUERIES, seed=0), unit(IMAGES, seed=1)
    network = SimilarityNetwork(dim=DIM, widths=widths)
    variables = network.init(jax.random.key(0), *jnp.zeros((2, 1, DIM)))
    ours = {
        "float32": NetworkSimilarity(network, variables),
        "default": NetworkSimilarity(network.clone(dtype=scoring_dtype()), variables),
    }
    scorers: dict[str, Callable] = {
        name: scorer_of(similarity) for name, similarity in ours.items()
    }
    if importlib.util.find_spec("torch") is not None:
        scorers["torch"] = torch_scorer(variables, widths, platform)
    else:
        print("torch is not installed: no peer")
    found = {name: np.empty((QUERIES, IMAGES), np.float32) for name in scorers}
    seconds = {name: [] for name in scorers}
    for scorer in scorers.values():
        scorer(queries[:at_once], images)  # compiles, and touches the memory
    for start in [*range(0, QUERIES, at_once)] * turns:
        block = slice(start, start + at_once)
        for name, scorer in scorers.items():
            started = time.perf_counter()
            found[name][block] = scorer(queries[block], images)
            seconds[name].append(time.perf_counter() - started)
    shortlist = scorer_of(ours["default"])
    shortlist(queries[:1], images[:SHORTLIST])
    short = []
    for query in queries[:, None]:
        started = time.perf_counter()
        shortlist(query, images[:SHORTLIST])
        short.append(time.perf_counter() - started)
    # Sums, as the rate over all pairs is meant; each block was timed in turn.
    rates = {n: turns * QUERIES * IMAGES / sum(times) for n, times in seconds.items()}
    metrics = {f"pairs_per_s/{name}": rate for name, rate in rates.items()}
    metrics[f"ms/shortlist_{SHORTLIST}"] = 1000 * float(np.median(short))
    metrics["overlap/top_10_default"] = overlap(found["default"], found["float32"])
    if "torch" in rates:
        largest = np.abs(found["torch"]).max()
        gap = np.abs(found["float32"] - found["torch"]).max() / largest
        if not gap < TOLERANCE[platform]:
            raise InputError(f"scores differ by {gap:.1e} of the largest")
        for name in ours:
            metrics[f"ratio/pairs_{name}"] = rates[name] / rates["torch"]
    peak = peak_flops()
    if peak is not None:
        layers = zip(widths, (*widths[1:], 1), strict=True)
        flops = 2 * sum(inputs * outputs for inputs, outputs in layers)
        metrics["share_of_peak/default"] = rates["default"] * flops / peak
    return metrics


def unit(count: int, *, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, DIM))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32)


def scorer_of(similarity) -> Callable:
    """Scores queries with all images; their first layer is computed once."""
    kept: dict[int, object] = {}

    def score(queries: np.ndarray, images: np.ndarray) -> np.ndarray:
        if len(images) not in kept:
            kept[len(images)] = similarity.image_parts(images)
        who, which = np.indices((len(queries), len(images))).reshape(2, -1)
        scores = similarity.pair_scores(queries, kept[len(images)], who, which)
        return scores.reshape(len(queries), len(images))

    return score


def torch_scorer(variables, widths, platform: str) -> Callable:
    """The same network as layers on the concatenated pairs."""
    import torch
    from torch import nn

    params = {
        layer: {name: np.array(value) for name, value in values.items()}
        for layer, values in variables["params"].items()
    }
    first = np.concatenate([params["query"]["kernel"], params["database"]["kernel"]])
    kernels = [first, params["hidden_0"]["kernel"], params["score"]["kernel"]]
    biases = [params[n]["bias"] for n in ("database", "hidden_0", "score")]
    sizes = [2 * DIM, *widths, 1]
    layers = []
    for i, (kernel, bias) in enumerate(zip(kernels, biases, strict=True)):
        layer = nn.Linear(sizes[i], sizes[i + 1])
        layer.load_state_dict(
            {
                "weight": torch.from_numpy(kernel.T.copy()),
                "bias": torch.from_numpy(bias),
            }
        )
        layers += [layer, nn.ReLU()]
    device = torch.device("cuda" if platform == "gpu" else "cpu")
    network = nn.Sequential(*layers[:-1]).eval().to(device)
    kept: dict[int, torch.Tensor] = {}

    @torch.inference_mode()
    @torch.autocast("cuda", torch.bfloat16, enabled=platform == "gpu")
    def score(queries: np.ndarray, images: np.ndarray) -> np.ndarray:
        if len(images) not in kept:
            kept[len(images)] = torch.from_numpy(images).to(device)
        asked = torch.from_numpy(queries).to(device).repeat_interleave(len(images), 0)
        pairs = torch.cat([asked, kept[len(images)].repeat(len(queries), 1)], dim=1)
        return network(pairs)[:, 0].float().cpu().numpy().reshape(len(queries), -1)

    return score


def overlap(first: np.ndarray, second: np.ndarray, k: int = 10) -> float:
    """How many of the first k results two scorings share."""
    tops = [np.argsort(-scores, axis=1)[:, :k] for scores in (first, second)]
    shared = [len(set(a) & set(b)) for a, b in zip(*tops, strict=True)]
    return float(np.mean(shared)) / k


if __name__ == "__main__":
    restart_with_huge_pages()  # As `jaxsim` does.
    main()
