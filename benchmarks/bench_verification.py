"""Spatial verification against OpenCV: pairs per second, agreement, first results.

Both verify the same pairs of images by the same points and descriptors: nearest
neighbours with a ratio test at 0.8, then a homography by RANSAC within 5 px. OpenCV
runs BFMatcher.knnMatch and findHomography with its own defaults. Both use all cores and
take turns query by query; a ratio is the median over queries of OpenCV's seconds by
jaxsim's. Features are found before; turning them into root-SIFT counts for jaxsim and
not for OpenCV.

With photos, each query's 50 best references by whitened R-MAC are verified, and the
share of queries whose first result is right is told before and after adding
inliers / 100 to the cosine. Without photos random scenes of 1,000 points are verified.

  python benchmarks/bench_verification.py --data DIR   # smvs photos
  python benchmarks/bench_verification.py --quick --json verification.json
"""

import argparse
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from jaxsim.core.errors import MissingExtraError
from jaxsim.core.memory import restart_with_huge_pages

THREADS = len(os.sched_getaffinity(0))
PAUSE_S = 0.2
TOP, PER_INLIER = 50, 0.01
RATIO, THRESHOLD_PX = 0.8, 5.0
CONFIG = Path(__file__).parents[1] / "configs" / "smvs.py"
Verify = Callable[[int, Sequence[int]], list[int]]


@dataclass(frozen=True)
class Case:
    """Queries with candidates to be verified.

    Attributes:
      name: prefix of the numbers.
      queries: local features of each query.
      database: local features of each database image.
      ids: int [Q, K], candidates.
      scores: float [Q, K], of the candidates, falling.
      answers: int [Q], the right id of each query.
    """

    name: str
    queries: list
    database: list
    ids: np.ndarray
    scores: np.ndarray
    answers: np.ndarray


def main() -> None:
    options = parse_options()
    load = os.getloadavg()[0]
    try:
        import cv2
    except ImportError as error:
        missing = MissingExtraError("opencv-python-headless", "opencv")
        raise SystemExit(str(missing)) from error
    cv2.setNumThreads(THREADS)
    if options.quick:
        cases = [random_case()]
    elif options.data:
        cases = photo_cases(options.data)
    else:
        cases = [random_case(queries=20, candidates=TOP, points=1000)]
    metrics: dict[str, float] = {}
    for case in cases:
        measured = measure(case)
        for name, value in measured.items():
            print(f"{name:44s} {value:10.4f}", flush=True)
        metrics |= measured
    if options.json:
        from _report import write_report

        settings = {
            "top": TOP,
            "ratio": RATIO,
            "threshold_px": THRESHOLD_PX,
            "per_inlier": PER_INLIER,
            "threads": THREADS,
            "load_average": load,
        }
        write_report(options.json, metrics, settings)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", metavar="DIR", help="smvs photos")
    parser.add_argument("--quick", action="store_true", help="few points, seconds")
    parser.add_argument("--json", metavar="FILE", help="write the numbers here")
    return parser.parse_args()


def measure(case: Case) -> dict[str, float]:
    systems = {"jaxsim": jaxsim_verify(case), "opencv": opencv_verify(case)}
    counts = {system: np.zeros(case.ids.shape) for system in systems}
    seconds = {system: np.zeros(len(case.ids)) for system in systems}
    for row in range(min(len(case.ids), 20)):
        # Lets jaxsim compile.
        for verify in systems.values():
            verify(row, case.ids[row, :5].tolist())
    for row, ids in enumerate(case.ids.tolist()):
        for system in list(systems)[:: 1 if row % 2 else -1]:
            # The other's threads spin for a while after their last work.
            time.sleep(PAUSE_S)
            start = time.perf_counter()
            counts[system][row] = systems[system](row, ids)
            seconds[system][row] = time.perf_counter() - start
    metrics = {f"{case.name}/first_recall@1": recall_at_1(case, 0)}
    for system, label in (("jaxsim", ""), ("opencv", "opencv_")):
        pairs_per_s = case.ids.shape[1] / np.median(seconds[system])
        metrics |= {
            f"{case.name}/{label}pairs_per_s": float(pairs_per_s),
            f"{case.name}/{label}recall@1": recall_at_1(case, counts[system]),
            f"{case.name}/{label}recall@1_by_inliers": recall_at_1(
                case, counts[system] * 1e6
            ),
            f"{case.name}/{label}inliers_of_answers": answers_mean(
                case, counts[system], right=True
            ),
            f"{case.name}/{label}inliers_of_others": answers_mean(
                case, counts[system], right=False
            ),
        }
    ours, theirs = counts["jaxsim"].ravel(), counts["opencv"].ravel()
    metrics[f"{case.name}/correlation"] = float(np.corrcoef(ours, theirs)[0, 1])
    ratio = np.median(seconds["opencv"] / seconds["jaxsim"])
    metrics[f"ratio/{case.name}"] = float(ratio)
    return metrics


def recall_at_1(case: Case, counts: np.ndarray | float) -> float:
    fused = case.scores + PER_INLIER * counts
    first = np.take_along_axis(case.ids, fused.argmax(axis=1)[:, None], axis=1)[:, 0]
    return float(np.mean(first == case.answers))


def answers_mean(case: Case, counts: np.ndarray, *, right: bool) -> float:
    return float(counts[(case.ids == case.answers[:, None]) == right].mean())


def jaxsim_verify(case: Case) -> Verify:
    from jaxsim.rerank.pairs import PairVerifier

    verifier = PairVerifier(
        model="homography", threshold_px=THRESHOLD_PX, ratio=RATIO, seed=0
    )

    def verify(row, ids):
        pairs = [(case.queries[row], case.database[id]) for id in ids]
        return [found.count for found in verifier.verify(pairs)]

    return verify


def opencv_verify(case: Case) -> Verify:
    import cv2

    cv2.setRNGSeed(0)
    matcher = cv2.BFMatcher(cv2.NORM_L2)
    queries = [features.descriptors for features in case.queries]
    database = [features.descriptors for features in case.database]

    def inliers(row, id):
        if not len(queries[row]) or not len(database[id]):
            return 0
        clear = [
            two[0]
            for two in matcher.knnMatch(queries[row], database[id], k=2)
            if len(two) == 2 and two[0].distance < RATIO * two[1].distance
        ]
        if len(clear) < 4:
            return 0
        # Positions are in pixels of the reduced images for both systems.
        a, b = case.queries[row], case.database[id]
        source = a.points[[match.queryIdx for match in clear]] / a.pixel_size
        target = b.points[[match.trainIdx for match in clear]] / b.pixel_size
        _, mask = cv2.findHomography(source, target, cv2.RANSAC, THRESHOLD_PX)
        return 0 if mask is None else int(mask.sum())

    return lambda row, ids: [inliers(row, id) for id in ids]


def photo_cases(root: str) -> list[Case]:
    from jaxsim.classical.local_features import extract
    from jaxsim.data.images import decode
    from jaxsim.experiment.build import build_model
    from jaxsim.experiment.config_file import load_config
    from jaxsim.experiment.construct import construct
    from jaxsim.index.complete import rank_all
    from jaxsim.pipeline.embed import Embedder

    config = load_config(f"{CONFIG}:pooling=rmac,whiten=regions")
    experiment = construct(config)
    sets = experiment.data(Path(root))
    embedder = Embedder(build_model(config.model, experiment.fit_data(Path(root))))
    cases = []
    with ThreadPoolExecutor(THREADS) as threads:
        for data in sets:
            database, queries = map(embedder.embed, (data.database, data.queries))
            ranking = rank_all(
                queries.vectors,
                database.vectors,
                queries_found=queries.found,
                database_found=database.found,
            )
            features = [
                list(threads.map(lambda r: extract(decode(r.read())), records))
                for records in (data.queries, data.database)
            ]
            cases.append(
                Case(
                    data.name,
                    *features,
                    ranking.ids[:, :TOP],
                    ranking.scores[:, :TOP],
                    np.array(data.positives)[:, 0],
                )
            )
    return cases


def random_case(queries: int = 4, candidates: int = 5, points: int = 300) -> Case:
    """Scenes of random points; a query shows a third of its answer's, moved."""
    from jaxsim.classical.local_features import LocalFeatures

    rng = np.random.default_rng(0)

    def image():
        at = (rng.random((points, 2)) * [480, 640]).astype(np.float32)
        sift = rng.integers(0, 256, (points, 128), np.uint8)
        sift[rng.random(sift.shape) < 0.7] = 0
        return LocalFeatures(at, sift, 1.0)

    database, asked = [image() for _ in range(candidates)], []
    for row in range(queries):
        query, shared = image(), database[row % candidates]
        seen = points // 3
        query.points[:seen] = shared.points[:seen] * 0.8 + 20
        query.sift[:seen] = shared.sift[:seen]
        asked.append(query)
    ids = np.tile(np.arange(candidates), (queries, 1))
    answers = np.arange(queries) % candidates
    return Case("random", asked, database, ids, np.zeros(ids.shape), answers)


if __name__ == "__main__":
    restart_with_huge_pages()  # As `jaxsim` does.
    main()
