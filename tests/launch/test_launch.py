"""Launch scripts: they parse, and the one for two processes trains."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.runs import events_of, make_photos, rows_of

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = sorted(p for p in (ROOT / "launch").iterdir() if p.suffix != ".yaml")

CONFIG = """
import fiddle as fdl
from jaxsim.experiment.training_experiment import TrainingExperiment
from tests.training import runs

def get_config() -> fdl.Config[TrainingExperiment]:
    return runs.config(steps=3, measure=None)
"""


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_parse(script):
    subprocess.run(["bash", "-n", script], check=True)


# The wheel puts it beside this Python, which need not be on the path.
PLACES = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
SHELLCHECK = shutil.which("shellcheck", path=PLACES)


@pytest.mark.skipif(SHELLCHECK is None, reason="shellcheck is not installed")
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_pass_shellcheck(script):
    words = [str(SHELLCHECK), "--shell=bash", "--exclude=SC1091", script]
    subprocess.run(words, check=True)


def test_the_job_set_has_a_pod_for_each_machine_of_its_slice():
    yaml = pytest.importorskip("yaml", reason="PyYAML is absent")
    job = yaml.safe_load((ROOT / "launch" / "tpu_gke.yaml").read_text())
    assert job["kind"] == "JobSet"
    (slice_,) = job["spec"]["replicatedJobs"]
    spec = slice_["template"]["spec"]
    pod = spec["template"]["spec"]
    rows, columns = pod["nodeSelector"]["cloud.google.com/gke-tpu-topology"].split("x")
    (container,) = pod["containers"]
    chips = container["resources"]["limits"]["google.com/tpu"]
    assert spec["parallelism"] == spec["completions"]
    assert spec["parallelism"] * chips == int(rows) * int(columns)
    assert container["command"] == ["jaxsim", "train"]
    assert (ROOT / container["args"][0]).is_file()
    assert {"name": "JAX_COORDINATOR_ADDRESS", "value": "auto"} in container["env"]


@pytest.fixture
def launched(tmp_path):
    """Runs the script itself, with this Python in place of what it would install."""
    (tmp_path / "launch").mkdir()
    shutil.copy(ROOT / "launch" / "two_processes.sh", tmp_path / "launch")
    (tmp_path / "launch" / "environment.sh").write_text('cd "$(dirname "$0")/.."\n')
    binaries = tmp_path / ".venv" / "bin"
    binaries.mkdir(parents=True)
    command = binaries / "jaxsim"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m jaxsim.cli.main "$@"\n')
    command.chmod(0o755)
    settings = {
        "PYTHONPATH": str(ROOT),
        "XLA_FLAGS": "",
        "PORT": "29431",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }

    def launch(*words):
        return subprocess.run(
            ["bash", "launch/two_processes.sh", *words],
            cwd=tmp_path,
            env=os.environ | settings,
            capture_output=True,
            text=True,
            timeout=300,
        )

    return launch, command


def test_two_processes_are_launched_and_train(launched, tmp_path):
    launch, _ = launched
    make_photos(tmp_path / "photos")
    (tmp_path / "config.py").write_text(CONFIG)
    out = tmp_path / "runs" / "two"
    done = launch("config.py", "--data", tmp_path / "photos", "--out", out)
    second = (tmp_path / "runs" / "two.process1.log").read_text()
    assert done.returncode == 0, done.stderr + second
    assert events_of(out) == [("started", 0)]
    assert [row["step"] for row in rows_of(out) if "loss" in row] == [1, 2, 3]
    assert (out / "model").is_dir() and "Traceback" not in second


def test_an_example_is_launched_where_nothing_is_named(launched, tmp_path):
    launch, command = launched
    command.write_text('#!/bin/sh\necho "$JAX_PROCESS_ID of $JAX_NUM_PROCESSES: $*"\n')
    done = launch()
    assert done.returncode == 0, done.stderr
    example = "train configs/quickstart.py:steps=20,size_px=96 --out runs/two_processes"
    assert done.stdout == f"0 of 2: {example}\n"
    log = tmp_path / "runs" / "two_processes.process1.log"
    assert log.read_text() == f"1 of 2: {example}\n"
    assert {path.name for path in tmp_path.iterdir()} == {".venv", "launch", "runs"}


@pytest.mark.parametrize("words", [["--out", "a run/"], ["--out=a run/"]])
def test_the_run_is_found_however_it_is_named(words, launched, tmp_path):
    launch, command = launched
    command.write_text('#!/bin/sh\necho "$*"\n')
    done = launch("config.py", *words, "--data", "with --out=x in it")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a run.process1.log").read_text() == done.stdout


def test_a_second_process_that_fails_is_pointed_to(launched):
    launch, command = launched
    command.write_text('#!/bin/sh\nexit "$JAX_PROCESS_ID"\n')
    done = launch("config.py", "--out", "run/")
    assert done.returncode == 1 and "run.process1.log says why" in done.stderr
    done = launch("config.py")
    assert done.returncode == 2 and "--out RUN" in done.stderr
