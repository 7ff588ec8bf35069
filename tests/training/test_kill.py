"""A run that is killed and started again ends as if it had never been."""

from pathlib import Path

import numpy as np
import pytest

from tests.training.runs import (
    events_of,
    in_process,
    last_state,
    require_same_run,
    rows_of,
)


@pytest.fixture(scope="module")
def ended(tmp_path_factory) -> Path:
    """The folder of runs that `kill` leaves, with what it printed in "printed"."""
    root = tmp_path_factory.mktemp("kill")
    printed = in_process("tests.training.kill", root)
    (root / "printed").write_text(printed)
    return root


def test_killed_at_many_moments_a_run_ends_with_the_same_bits(ended):
    steps = [step for event, step in events_of(ended / "killed") if event == "resumed"]
    assert {4, 8} <= set(steps)  # it has gone on, and not only begun again
    require_same_run(ended / "killed", ended / "whole")


def test_a_full_disk_ends_a_run_in_words(ended):
    assert "cannot write a checkpoint to" in (ended / "printed").read_text()


def test_mined_triplets_survive_a_kill_within_their_segment(ended):
    events = events_of(ended / "mined, killed")
    assert ("resumed", 5) in events and ("resumed", 10) in events
    require_same_run(ended / "mined, killed", ended / "mined")


def test_a_run_goes_on_on_another_number_of_devices(ended):
    assert ("resumed", 8) in events_of(ended / "moved")
    for row, expected in zip(
        rows_of(ended / "moved"), rows_of(ended / "whole"), strict=True
    ):
        assert row["step"] == expected["step"]
        if "loss" in expected:
            assert row["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    (step, state), (_, wanted) = (
        last_state(ended / name) for name in ("moved", "whole")
    )
    assert step == 12
    for name, array in wanted.items():
        np.testing.assert_allclose(state[name], array, atol=1e-5, err_msg=name)
