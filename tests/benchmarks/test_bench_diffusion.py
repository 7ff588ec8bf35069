from pathlib import Path

import pytest

from tests.benchmarks.runs import ROOT, metrics_of

GROCERY = ROOT.parent / "shared" / "data" / "grocery"


@pytest.mark.skipif(
    not Path(GROCERY, "images.csv").exists(), reason=f"no photos in {GROCERY}"
)
def test_quick_run_measures_methods_and_speed(tmp_path):
    words = ("--data", GROCERY, "--descriptors", tmp_path / "made.npz")
    metrics = metrics_of("bench_diffusion", *words, folder=tmp_path)
    for method in ("cosine", "alpha_qe", "dfs", "offline", "fsr", "kreciprocal"):
        assert 0 < metrics[f"grocery/{method}/map"] <= 1
        assert metrics[f"grocery/{method}/ms_per_query"] > 0
    assert metrics["grocery/dfs/memory_mb"] > 0
    assert metrics["ratio/cg_together"] == (
        metrics["ms/cg_scipy"] / metrics["ms/cg_together"]
    )
