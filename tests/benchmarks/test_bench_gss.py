import importlib.util
from pathlib import Path

import pytest

from tests.benchmarks.runs import ROOT, metrics_of, run

SMVS = ROOT.parent / "shared" / "data" / "smvs"
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
    words = ["--part", "quality", "--data", GROCERY]
    sets = ["grocery"]
    if SMVS.exists():
        words += ["--smvs", SMVS]
        sets += ["landmarks_among_grocery", "book_covers_among_grocery"]
    metrics = metrics_of("bench_gss", *words, folder=tmp_path)
    kinds = ("cosine", "alpha_qe", "dfs", "gss", "gss_untrained", "gss_last")
    for name in sets:
        for kind in kinds:
            assert 0 < metrics[f"{name}/{kind}/map"] <= 1


def test_dense_matrices_take_no_more_memory_than_they_may(tmp_path):
    pytest.importorskip("torch")
    words = ("--part", "speed", "--nodes", "300", "6000", "--peer-gib", "0.5")
    done = run("bench_gss", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "torch 6000: does not fit into 0.5 GiB" in done.stdout
    assert "jaxsim 6000: {" in done.stdout
    assert "ratio/epoch_300" in done.stdout


def test_one_number_of_nodes_is_enough_where_the_peer_does_not_fit(tmp_path):
    words = ("--part", "speed", "--nodes", "400", "--peer-gib", "0.0005")
    metrics = metrics_of("bench_gss", *words, folder=tmp_path)
    assert metrics["epoch_s/jaxsim_400"] > 0 and metrics["growth_mib/jaxsim_400"] > 0
    assert not any("torch" in name or "ratio" in name for name in metrics)


def test_graphs_of_few_nodes_are_refused():
    done = run("bench_gss", "--part", "speed", "--nodes", "5")
    assert done.returncode == 2 and "at least 20" in done.stderr
