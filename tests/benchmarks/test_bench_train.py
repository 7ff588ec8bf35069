import pytest

from tests.benchmarks.runs import metrics_of


def test_quick_run_agrees_with_pytorch_and_writes_its_numbers(tmp_path):
    pytest.importorskip("torch")
    metrics = metrics_of("bench_train", "--case", "lite0", folder=tmp_path)
    assert metrics["ratio/lite0_64"] > 0
    assert metrics["lite0_64/loss_difference"] < 1e-5
    assert metrics["lite0_64/gradient_difference"] < 5e-3
    assert metrics["lite0_64/peak_mib"] > 0 and metrics["lite0_64/torch_peak_mib"] > 0
