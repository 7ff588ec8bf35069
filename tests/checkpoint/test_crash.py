"""A run that dies, or has no space left, leaves checkpoints that can be used."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def run(module: str, *arguments: str) -> str:
    """Runs a script to its end, in a process of its own; returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", f"tests.checkpoint.{module}", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


def test_killed_at_any_moment_the_old_or_the_new_checkpoint_is_whole(tmp_path):
    # Moments around the rename, and while the old one is deleted; None is when `save`
    # has returned and the arrays are being written.
    moments = ("None", "8", "14", "15", "35")
    printed = run("kill", str(tmp_path), *moments)
    assert printed.count("killed") == len(moments), printed
    assert "found 1" in printed and "found 2" in printed


def test_a_full_disk_is_an_input_error_and_leaves_whole_checkpoints(tmp_path):
    assert run("full_disk", str(tmp_path)) == "done\n"
