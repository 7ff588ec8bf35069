"""Two processes that share a model train it as one does, and stop together."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.training.runs import events_of, in_process, last_state, rows_of


@pytest.fixture(scope="module")
def ended(tmp_path_factory) -> Path:
    """The folder of runs that `pairs` leaves."""
    root = tmp_path_factory.mktemp("pairs")
    in_process("tests.multihost.pairs", root)
    return root


def codes(root: Path, name: str) -> list[int]:
    return json.loads((root / "codes.json").read_text())[name]


def log(root: Path, name: str, process: int) -> str:
    return (root / f"{name}-{process}.log").read_text()


def test_a_signal_to_one_stops_both_with_a_checkpoint(ended):
    assert codes(ended, "stopped") == [0, 0]
    # Asked after step 5 was told, that is during step 6, whose measuring is waited for.
    assert "stopped by another process after step 7" in log(ended, "stopped", 0)
    assert events_of(ended / "pair") == [("started", 0), ("resumed", 7)]


def test_two_processes_train_to_the_parameters_of_one(ended):
    assert codes(ended, "alone") == [0] and codes(ended, "pair") == [0, 0]
    (step, state), (wanted_step, wanted) = (
        last_state(ended / name) for name in ("pair", "alone")
    )
    assert step == wanted_step == 12 and state.keys() == wanted.keys()
    for name, array in wanted.items():
        np.testing.assert_allclose(state[name], array, atol=1e-5, err_msg=name)
    rows, wanted_rows = rows_of(ended / "pair"), rows_of(ended / "alone")
    assert len(rows) == len(wanted_rows) == 14
    for row, wanted_row in zip(rows, wanted_rows, strict=True):
        assert row == pytest.approx(wanted_row, rel=1e-4)


def test_both_measure_and_only_the_first_writes(ended):
    for name, times in (("stopped", 2), ("pair", 1)):
        for process in (0, 1):
            assert log(ended, name, process).count("measured") == times
        written = log(ended, name, 0)
        assert "wrote" in written and "metrics.jsonl" in written
        assert "wrote" not in log(ended, name, 1)


def test_both_end_where_the_best_model_is_kept(ended):
    assert codes(ended, "best") == [0, 0]
    assert (ended / "best" / "report.html").exists()
    assert (ended / "best" / "after.npz").exists()


def test_processes_with_other_images_are_refused(ended):
    assert codes(ended, "other") == [2, 2]
    for process in (0, 1):
        assert "process 1 has other images (trained on) (" in log(
            ended, "other", process
        )
    assert not (ended / "other" / "config.json").exists()


def test_the_failure_of_one_ends_both_at_once(ended):
    first, second = codes(ended, "failed")
    assert first != 0 and second == 2
    assert "this process cannot go on" in log(ended, "failed", 1)
    step, _ = last_state(ended / "failed")
    assert step == 8


def test_the_death_of_one_ends_the_other_and_the_restart_goes_on(ended):
    first, second = codes(ended, "killed")
    assert first not in (0, -9) and second == -9
    assert codes(ended, "missed_s")[0] < 40
    assert (ended / "survivor.log").read_text().strip()
    assert codes(ended, "resumed") == [0, 0]
    # Whether the save of step 8 was complete when its process died is chance.
    assert events_of(ended / "killed")[1] in (("resumed", 6), ("resumed", 8))
    _, state = last_state(ended / "killed")
    for name, array in last_state(ended / "alone")[1].items():
        np.testing.assert_allclose(state[name], array, atol=1e-5, err_msg=name)


def test_two_processes_search_mine_and_describe_as_one(ended):
    assert codes(ended, "search") == [0, 0]
    assert [log(ended, "search", process) for process in (0, 1)] == ["same=True"] * 2
