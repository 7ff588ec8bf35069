"""Benchmarks run as their users do."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(name, *words, **environment):
    """Runs benchmarks/NAME.py --quick and returns the finished process."""
    return subprocess.run(
        [sys.executable, f"benchmarks/{name}.py", "--quick", *map(str, words)],
        cwd=ROOT,
        env=os.environ | {"XLA_FLAGS": ""} | environment,
        capture_output=True,
        text=True,
    )


def metrics_of(name, *words, folder):
    """Returns the numbers that a quick run writes."""
    done = run(name, *words, "--json", folder / "numbers.json")
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads((folder / "numbers.json").read_text())["metrics"]
