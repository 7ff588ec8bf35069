from pathlib import Path

import pytest

from tests.benchmarks.runs import ROOT, metrics_of

GROCERY = ROOT.parent / "shared" / "data" / "grocery"


@pytest.mark.skipif(
    not Path(GROCERY, "images.csv").exists(), reason=f"no photos in {GROCERY}"
)
def test_quick_run_measures_all_methods(tmp_path):
    pytest.importorskip("faiss")
    metrics = metrics_of("bench_pq", "--data", GROCERY, folder=tmp_path)
    whole = metrics["test/map_2048"]
    for method in ("pq64", "opq64", "pca64", "faiss_pq64"):
        for fitted in ("", "_on_index"):
            assert 0 < metrics[f"test/map_{method}{fitted}"] < whole + 0.1
    assert metrics["test/lost_pq64"] == whole - metrics["test/map_pq64"]
    assert metrics["ratio/pq64"] > 0.8
