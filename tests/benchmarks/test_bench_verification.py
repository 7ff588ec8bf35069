import pytest

from tests.benchmarks.runs import metrics_of


def test_quick_run_agrees_with_opencv_and_writes_its_numbers(tmp_path):
    pytest.importorskip("cv2", reason="OpenCV is not installed")
    metrics = metrics_of("bench_verification", folder=tmp_path)
    assert metrics["ratio/random"] > 0
    assert metrics["random/recall@1"] == metrics["random/opencv_recall@1"] == 1
    assert metrics["random/correlation"] > 0.99
