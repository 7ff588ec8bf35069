import pytest

from tests.benchmarks.runs import metrics_of, run


def test_quick_run_agrees_with_pytorch_and_writes_its_numbers(tmp_path):
    pytest.importorskip("torch")
    metrics = metrics_of("bench_embed", folder=tmp_path)
    for case in ("lite0_64", "resnet50_64"):
        assert metrics[f"{case}/images_per_s"] > 0
        assert metrics[f"ratio/{case}"] > 0
        assert metrics[f"{case}/difference"] < 1e-4


def test_without_pytorch_the_extra_is_named(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('blocked by the test')\n")
    done = run("bench_embed", PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert "pip install 'jaxsim[bench]'" in done.stderr
