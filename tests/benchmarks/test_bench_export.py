import importlib.util

import pytest

from tests.benchmarks.runs import metrics_of


def test_quick_run_compares_every_format_that_is_installed(tmp_path):
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    metrics = metrics_of("bench_export", folder=tmp_path)
    packages = {"onnx": "onnxruntime", "stablehlo": "flatbuffers"}
    formats = ["safetensors"]
    formats += [f for f, name in packages.items() if importlib.util.find_spec(name)]
    for format in formats:
        assert metrics[f"max_error/lite0_gem_{format}"] <= 1e-4
        assert metrics[f"rankings_unchanged/lite0_gem_{format}"] == 1
        assert 10 < metrics[f"mb/lite0_gem_{format}"] < 20
    assert metrics["images_per_s/lite0_gem_jax"] > 0
