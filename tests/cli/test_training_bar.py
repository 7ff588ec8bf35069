"""The bar of a training run, in a log."""

import sys
import time

import pytest

from jaxsim.cli.training_bar import training_bar


@pytest.fixture
def shown(capsys):
    def show(rows):
        with training_bar() as listen:
            for row in rows:
                listen(row)
        return capsys.readouterr().err

    return show


def test_the_first_step_is_not_in_the_rate(shown, monkeypatch):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    text = shown(
        [
            {"step": 4, "event": "resumed", "steps": 8},
            {"step": 5, "loss": 1.0},
            {"step": 6, "loss": 0.5, "images_per_s": 31.4},
            {"step": 6, "eval/seen/map": 0.25},
        ]
    )
    assert text.startswith("step 4: resumed; compiling the first step\n")
    assert "5/8" in text and "step 6: seen/map 0.250" in text


def test_a_log_gets_lines(shown, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def rows():
        yield {"step": 0, "event": "started", "steps": 8}
        yield {"step": 1, "loss": 1.0}
        for step in range(2, 5):
            now[0] += 6
            yield {"step": step, "loss": 0.5, "images_per_s": 31.4}

    assert shown(rows()).splitlines() == [
        "step 0: started; compiling the first step",
        "train: 3 of 8 steps, 0.2 steps/s, 30 s left, loss 0.5000, 31 images/s",
        "train: 4 of 8 steps, 0.2 steps/s, 24 s left",
    ]


def test_a_run_that_stops_before_its_first_step_shows_no_bar(shown):
    text = shown([{"step": 0, "event": "started", "steps": 8}])
    assert text == "step 0: started; compiling the first step\n"
