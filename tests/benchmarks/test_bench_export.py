import importlib.util

import pytest

from tests.benchmarks.runs import metrics_of


def test_quick_run_compares_every_format_that_is_installed(tmp_path):
    pytest.importorskip("safetensors", reason="safetensors is not installed")
    metrics = metrics_of("bench_export", folder=tmp_path)
    packages = {"onnx": "onnxruntime", "stablehlo": "flatbuffers"}
    formats = ["safetensors"]
    formats += [f for f, name in packages.items() if importlib.util.find_spec(name)]
    for pooling in ("gem", "rmac"):
        for format in formats:
            case = f"lite0_{pooling}_{format}"
            assert metrics[f"max_error/{case}"] <= 1e-4
            assert metrics[f"rankings_unchanged/{case}"] == 1
            assert 10 < metrics[f"mb/{case}"] < 20
        assert metrics[f"images_per_s/lite0_{pooling}_jax"] > 0
