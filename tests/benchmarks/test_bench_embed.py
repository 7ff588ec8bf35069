import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
QUICK = [sys.executable, "benchmarks/bench_embed.py", "--quick"]


def run(command, **environment):
    return subprocess.run(
        command,
        cwd=ROOT,
        env=os.environ | {"XLA_FLAGS": ""} | environment,
        capture_output=True,
        text=True,
    )


def test_quick_run_agrees_with_pytorch_and_writes_its_numbers(tmp_path):
    pytest.importorskip("torch")
    done = run([*QUICK, "--json", str(tmp_path / "f.json")])
    assert done.returncode == 0, done.stdout + done.stderr
    metrics = json.loads((tmp_path / "f.json").read_text())["metrics"]
    for case in ("lite0_64", "resnet50_64"):
        assert metrics[f"{case}/images_per_s"] > 0
        assert metrics[f"ratio/{case}"] > 0
        assert metrics[f"{case}/difference"] < 1e-4


def test_without_pytorch_the_extra_is_named(tmp_path):
    (tmp_path / "torch.py").write_text("raise ImportError('blocked by the test')\n")
    done = run(QUICK, PYTHONPATH=str(tmp_path))
    assert done.returncode == 1
    assert "pip install 'jaxsim[bench]'" in done.stderr
