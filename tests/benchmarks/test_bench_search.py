import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_quick_run_writes_its_numbers(tmp_path):
    command = [sys.executable, "benchmarks/bench_search.py", "--quick", "--json"]
    done = subprocess.run(
        [*command, str(tmp_path / "f.json")], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    metrics = json.loads((tmp_path / "f.json").read_text())["metrics"]
    assert metrics["20k64_batch1/qps"] > 0
    assert metrics["20k64_batch256/qps"] > 0
    assert metrics["50k32/extra_mib"] < 256
