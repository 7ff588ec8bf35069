from pathlib import Path

import pytest

from tests.benchmarks.runs import ROOT, metrics_of

GROCERY = ROOT.parent / "shared" / "data" / "grocery"


@pytest.mark.skipif(
    not Path(GROCERY, "images.csv").exists(), reason=f"no photos in {GROCERY}"
)
def test_quick_run_measures_stages_baselines_and_speed(tmp_path):
    metrics = metrics_of("bench_deepsim", "--data", GROCERY, folder=tmp_path)
    for name in ("seen", "unseen"):
        for kind in (
            "cosine",
            "deepcosine",
            "deepsim",
            "deepsimh",
            "oasis",
            "mahalanobis",
        ):
            assert 0 < metrics[f"{name}/{kind}"] <= 1
    assert metrics["seen/deepsimh_gain"] == (
        metrics["seen/deepsimh"] - metrics["seen/cosine"]
    )
    assert metrics["pairs_per_s/float32"] > 0 and metrics["ms/shortlist_100"] > 0
    assert metrics["overlap/top_10_default"] > 0.5
