import pytest

from tests.benchmarks.runs import metrics_of


# The second pools R-MAC and runs by cached gradients.
@pytest.mark.parametrize("case", ["lite0_64", "resnet50_96"])
def test_quick_run_agrees_with_pytorch_and_writes_its_numbers(case, tmp_path):
    pytest.importorskip("torch")
    metrics = metrics_of("bench_train", "--case", case, folder=tmp_path)
    assert metrics[f"ratio/{case}"] > 0
    assert metrics[f"{case}/loss_difference"] < 1e-5
    assert metrics[f"{case}/gradient_difference"] < 5e-3
    assert metrics[f"{case}/peak_mib"] > 0 and metrics[f"{case}/torch_peak_mib"] > 0
