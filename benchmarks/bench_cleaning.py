"""Cleaning of labels: which photos of one thing are kept, which intruders dropped.

Each label holds a pair of Stanford Mobile Visual Search (a phone photo and its
reference), three photos of Grocery Store and three of ImageNet, drawn with a fixed
seed. A pair is kept if both its photos are. The sets called `alike` are harder: their
six intruders are references of other pairs, book covers among book covers. There is no
peer: the paper's tool was never published.

The threshold of 10 px and the rule to count inliers at different places only were
chosen on every second pair, from the first; the 20 inliers are older than the
measurement. Numbers named `unseen` are of the other pairs. Those named `at_12` need 12
inliers, and cost no more verification.

`--quick` cleans a few labels of turned and scaled parts of photographs that come with
scikit-image.

  python benchmarks/bench_cleaning.py --data DIR   # smvs, grocery and imagenet_sample
  python benchmarks/bench_cleaning.py --quick --json cleaning.json
"""

import argparse
import csv
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from jaxsim.core.memory import restart_with_huge_pages

SETS = ("book_covers", "landmarks", "book_covers_alike", "landmarks_alike")
OF_GROCERY = OF_IMAGENET = 3
LENIENT = 12
SEED = 0


def main() -> None:
    options = parse_options()
    load = os.getloadavg()[0]
    if not options.quick and not options.data:
        raise SystemExit(
            "give --data DIR, which holds smvs, grocery and imagenet_sample, or --quick"
        )
    metrics: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in ["scenes"] if options.quick else SETS:
            root = Path(folder) / name
            if options.quick:
                make_scenes(root)
            else:
                make_labels(Path(options.data), name, root)
            measured = measure(name, root, Path(folder) / "cache")
            for key, value in measured.items():
                print(f"{key:44s} {value:10.4f}", flush=True)
            metrics |= measured
    if options.json:
        from _report import write_report

        from jaxsim.experiment.cleaning import Cleaning

        rules = Cleaning()
        settings = {
            "min_inliers": rules.min_inliers,
            "ratio": rules.ratio,
            "threshold_px": rules.verifier().threshold_px,
            "intruders": OF_GROCERY + OF_IMAGENET,
            "seed": SEED,
            "load_average": load,
        }
        write_report(options.json, metrics, settings)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", metavar="DIR", help="smvs and other photos")
    parser.add_argument("--quick", action="store_true", help="a few scenes, seconds")
    parser.add_argument("--json", metavar="FILE", help="write the numbers here")
    return parser.parse_args()


def measure(name: str, root: Path, cache: Path) -> dict[str, float]:
    from jaxsim.cli.progress import progress_bar
    from jaxsim.experiment.cleaning import Cleaning
    from jaxsim.experiment.data_clean import clean_data

    start = time.perf_counter()
    cleaned = clean_data(root, cache=cache, bars=progress_bar)
    seconds = time.perf_counter() - start
    lenient = clean_data(root, cleaning=Cleaning(min_inliers=LENIENT), cache=cache)
    pairs = sum(
        n * (n - 1) // 2 for n in (len(x.kept) + len(x.dropped) for x in cleaned.labels)
    )
    found = {f"{name}/seconds": seconds, f"{name}/pairs_per_s": pairs / seconds}
    for what, result in (("", cleaned), ("at_12_", lenient)):
        kept = {image.name for image in result.kept}
        for part, labels in (("", result.labels), ("unseen_", result.labels[1::2])):
            names = [
                [image.source.name for image in (*label.kept, *label.dropped)]
                for label in labels
            ]
            wanted = [[n for n in label if is_wanted(n)] for label in names]
            intruders = [n for label in names for n in label if not is_wanted(n)]
            pairs_kept = [kept.issuperset(pair) for pair in wanted]
            found |= {
                f"{name}/{what}{part}pairs_kept": float(np.mean(pairs_kept)),
                f"{name}/{what}{part}intruders_dropped": float(
                    np.mean([n not in kept for n in intruders])
                ),
            }
    return found


def is_wanted(name: str) -> bool:
    return not Path(name).name.startswith("intruder")


def make_labels(data: Path, name: str, root: Path) -> None:
    """Links the photos of each label into a folder of its own."""
    with open(data / "grocery" / "images.csv", newline="") as file:
        grocery = [data / "grocery" / row["path"] for row in csv.DictReader(file)]
    imagenet = sorted((data / "imagenet_sample" / "images").glob("*.jpg"))
    rng = np.random.default_rng(SEED)
    pairs = data / "smvs" / name.removesuffix("_alike")
    references = sorted((pairs / "reference").glob("*.jpg"))
    for query in sorted((pairs / "query").glob("*.jpg")):
        folder = root / query.stem
        folder.mkdir(parents=True)
        reference = pairs / "reference" / query.name
        if name.endswith("_alike"):
            others = [path for path in references if path != reference]
            drawn = rng.choice(len(others), OF_GROCERY + OF_IMAGENET, False)
            chosen = [others[i] for i in drawn]
        else:
            chosen = [
                *(grocery[i] for i in rng.choice(len(grocery), OF_GROCERY, False)),
                *(imagenet[i] for i in rng.choice(len(imagenet), OF_IMAGENET, False)),
            ]
        (folder / "query.jpg").symlink_to(query.resolve())
        (folder / "reference.jpg").symlink_to(reference.resolve())
        for i, path in enumerate(chosen):
            (folder / f"intruder{i}.jpg").symlink_to(path.resolve())


def make_scenes(root: Path) -> None:
    """Writes two views of one photograph and one of each of two others, per label."""
    from PIL import Image
    from skimage import data

    names = ("astronaut", "coffee", "chelsea", "rocket")
    photos = [Image.fromarray(getattr(data, name)()) for name in names]
    for i, name in enumerate(names[:3]):
        (root / name).mkdir(parents=True)
        first = photos[i].crop((40, 20, 390, 290))
        first.save(root / name / "first.jpg")
        turned = photos[i].rotate(8, expand=False).resize((420, 300))
        turned.save(root / name / "second.jpg")
        for j in (1, 2):
            other = photos[(i + j) % len(photos)].crop((30, 10, 300, 250))
            other.save(root / name / f"intruder{j}.jpg")


if __name__ == "__main__":
    restart_with_huge_pages()  # As `jaxsim` does.
    main()
