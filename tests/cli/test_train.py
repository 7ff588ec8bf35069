"""`jaxsim train`: what it leaves, how it stops, and what it refuses before the work."""

import json
import os
import signal

import pytest

from jaxsim.checkpoint.manager import Checkpoints
from jaxsim.training.log import MetricsFile, read_rows
from tests.training.runs import last_state, make_photos

CONFIG = """
import fiddle as fdl
from jaxsim.experiment.training_experiment import TrainingExperiment
from jaxsim.training.optim import Group
from tests.training import runs

def get_config() -> fdl.Config[TrainingExperiment]:
    config = runs.config()
    {change}
    return config
"""


@pytest.fixture
def photos(tmp_path):
    return make_photos(tmp_path / "photos")


@pytest.fixture
def train(tmp_path, photos, jaxsim):
    """Runs the command on a config with one change; returns what `jaxsim` does."""

    def run(*words, change="pass", data=photos):
        path = tmp_path / "config.py"
        path.write_text(CONFIG.format(change=change))
        data = () if data is None else ("--data", data)
        return jaxsim("train", path, *data, "--out", tmp_path / "run", *words)

    return run


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "report.html"  # it has the date
    }


def at_step(monkeypatch, step, act):
    """Acts when the row of a step's loss is written."""
    write = MetricsFile.__call__

    def call(self, row):
        write(self, row)
        if "loss" in row and row["step"] == step:
            act()

    monkeypatch.setattr(MetricsFile, "__call__", call)


def test_a_run_that_is_stopped_twice_ends_and_stays_as_it_is(
    train, tmp_path, monkeypatch
):
    out, words = tmp_path / "run", ("--tensorboard", "--json", tmp_path / "numbers")
    for step, name, expected in ((2, "SIGTERM", 0), (7, "SIGINT", 130)):
        number = signal.Signals[name]
        with monkeypatch.context() as patch:
            at_step(patch, step, lambda number=number: os.kill(os.getpid(), number))
            code, output, errors = train(*words)
        assert code == expected and output == ""
        assert f"{name}: keeping a checkpoint" in errors
        text = f"stopped by {name} after step {step + 1}; the same command goes on"
        assert text in errors
        assert last_state(out)[0] == step + 1
        assert not (out / "report.html").exists()

    code, output, errors = train(*words)
    assert code == 0 and "seen/map" in output and "before" in output
    assert f"--model {out / 'model'}" in errors
    names = {"model", "report.html", "metrics.jsonl", "checkpoints", "tensorboard"}
    assert {path.name for path in out.iterdir()} >= names
    metrics = json.loads((tmp_path / "numbers").read_text())["metrics"]
    assert 0 < metrics["before/seen/map"] <= 1 and 0 < metrics["seen/map"] <= 1

    # A finished run has nothing left to do.
    before = contents(out)
    assert "nothing to train" not in errors
    code, again, errors = train("--json", "-")
    assert code == 0 and json.loads(again)["metrics"] == metrics
    assert "nothing to train" in errors and "its last step, 12" in errors
    code, _, errors = train("--set", "learning_rate=0.5")
    assert code == 2 and "holds a run of another config" in errors
    assert contents(out) == before


def test_the_best_measurement_may_be_kept(train, tmp_path):
    change = (
        "config.keep = 'best'; config.learning_rate = 0.5; config.every.evaluate = 2"
    )
    code, printed, errors = train("--json", "-", change=change)
    assert code == 0, errors
    rows = read_rows(tmp_path / "run" / "metrics.jsonl")
    measured = [row["eval/seen/map"] for row in rows if "eval/seen/map" in row]
    assert max(measured) > measured[-1]  # otherwise the last would do
    numbers = json.loads(printed)
    assert numbers["metrics"]["seen/map"] == pytest.approx(max(measured), abs=1e-6)
    best = next(r for r in rows if r.get("eval/seen/map") == max(measured))
    assert (numbers["steps"], numbers["kept_step"]) == (12, best["step"])
    page = (tmp_path / "run" / "report.html").read_text()
    assert f"{best['step']}, chosen on the images measured" in page
    # Nothing is left to do, and the same is found again.
    assert json.loads(train("--json", "-", change=change)[1]) == numbers


def test_a_loss_that_breaks_ends_in_words_with_a_checkpoint(train, tmp_path):
    code, _, errors = train(
        change="config.learning_rate = 1e30; config.every.checkpoint = 1"
    )
    assert code == 2 and "Traceback" not in errors
    step = read_rows(tmp_path / "run" / "metrics.jsonl")[-1]["step"]
    assert f" at step {step + 1}, on the images label" in errors
    # The checkpoint of that step was made by the update that broke the network.
    assert f"The checkpoint of step {step} leads to it" in errors
    assert last_state(tmp_path / "run")[0] == step


def test_a_loss_that_breaks_long_after_a_checkpoint(train, tmp_path):
    """Healthy at step 2, where a checkpoint is kept, and broken three steps later."""
    code, _, errors = train(
        change="config.learning_rate = fdl.Partial(runs.rate_that_breaks); "
        "config.every.checkpoint = 2"
    )
    assert code == 2 and "The last good checkpoint is that of step 2" in errors


BATCH_NORM = "config.model.network.backbone.norm = 'batch'; config.micro_batch = 8"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (BATCH_NORM, "micro_batch cannot be used with norm='batch'"),
        (
            "config.sampler.per_label = 3",
            "sampler.per_label=3) does not split evenly over the 8",
        ),
        ("config.micro_batch = 3", "does not split evenly over micro_batch=3"),
        ("config.sampler.num_labels = 9", "only 6 labels have two images"),
        ("config.steps = 0", "steps=0: at least one is needed"),
        ("config.measure.main = 'map'", "main='map' is not measured; there are seen/m"),
        (
            "config.groups = (fdl.Config(Group, 'x/*', 0.0),)",
            "'x/*' matches no parameter",
        ),
        ("config.mining = runs.mined().mining", "no multiple of 3"),
        ("config.keep = 'best'; config.measure = None", "needs something to measure"),
        ("config = config.model", "needs a TrainingExperiment"),
    ],
)
def test_what_cannot_be_trained_is_refused_before_the_work(
    train, tmp_path, change, expected
):
    code, _, errors = train(change=change)
    assert code == 2 and expected in errors, errors
    assert "Traceback" not in errors and "Fiddle" not in errors
    assert not (tmp_path / "run" / "metrics.jsonl").exists()


def test_a_config_that_is_not_there(jaxsim, tmp_path):
    code, _, errors = jaxsim("train", "no.py", "--out", tmp_path / "run")
    assert code == 2 and "there is no config file 'no.py'" in errors
    assert not (tmp_path / "run").exists()


def test_missing_data_is_asked_for(train, tmp_path):
    code, _, errors = train(data=None)
    assert code == 2 and "give --data DIR" in errors
    code, _, errors = train(data=tmp_path / "nowhere")
    assert code == 2 and "nowhere" in errors and "--data DIR" not in errors
    assert not (tmp_path / "run").exists()


def test_labels_of_one_image_are_refused(train, photos):
    for path in photos.glob("*/[123].png"):
        path.unlink()
    code, _, errors = train()
    assert code == 2 and "has two images, so no image has a partner" in errors


def test_a_second_run_in_the_same_folder_is_refused(train, tmp_path):
    with Checkpoints(tmp_path / "run" / "checkpoints") as checkpoints:
        checkpoints.claim()
        code, _, errors = train()
    assert code == 2 and "another run is writing checkpoints" in errors
    assert not (tmp_path / "run" / "metrics.jsonl").exists()
