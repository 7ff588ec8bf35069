import importlib.util
from pathlib import Path

import pytest

from tests.benchmarks.runs import ROOT, metrics_of

GROCERY = ROOT.parent / "shared" / "data" / "grocery"


def test_quick_run_measures_speed_and_draws_it(tmp_path):
    plot = tmp_path / "growth.svg"
    metrics = metrics_of(
        "bench_gss", "--part", "speed", "--plot", plot, folder=tmp_path
    )
    assert metrics["epoch_s/jaxsim_300"] > 0
    assert plot.read_text().startswith("<svg")
    if importlib.util.find_spec("torch") is not None:
        assert metrics["ratio/epoch_300"] > 0


@pytest.mark.skipif(
    not Path(GROCERY, "images.csv").exists(), reason=f"no photos in {GROCERY}"
)
def test_quick_run_measures_quality(tmp_path):
    metrics = metrics_of(
        "bench_gss", "--part", "quality", "--data", GROCERY, folder=tmp_path
    )
    for kind in ("cosine", "gss", "gss_untrained", "gss_last"):
        assert 0 < metrics[f"grocery/{kind}/map"] <= 1
