from pathlib import Path

import pytest

from tests.benchmarks.runs import ROOT, metrics_of

GROCERY = ROOT.parent / "shared" / "data" / "grocery"


@pytest.mark.skipif(
    not Path(GROCERY, "images.csv").exists(), reason=f"no photos in {GROCERY}"
)
def test_quick_run_measures_all_systems(tmp_path):
    pytest.importorskip("pytorch_metric_learning")
    metrics = metrics_of("bench_metric_learning", "--data", GROCERY, folder=tmp_path)
    for system in ("torch", "jaxsim", "best"):
        assert 0 < metrics[f"{system}/untrained_map@r"] < 1
        assert metrics[f"{system}/images"] > 0 and metrics[f"{system}/seconds"] > 0
    assert metrics["torch/untrained_map@r"] == pytest.approx(
        metrics["jaxsim/untrained_map@r"], abs=5e-3
    )
    assert 0 < metrics["unseen/map@r"] < 1
