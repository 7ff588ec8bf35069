import json

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.report.history import (
    best_place,
    lower_is_better,
    metric_names,
    read_history,
    series,
)

NAN = float("nan")


def written(tmp_path, *rows, tail: bytes = b""):
    path = tmp_path / "metrics.jsonl"
    lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
    path.write_bytes("".join(line + "\n" for line in lines).encode() + tail)
    return path


def test_rows_come_back_in_order_of_steps(tmp_path):
    rows = [{"step": 1, "loss": 0.5}, {"step": 2, "loss": NAN}]
    read = read_history(written(tmp_path, *rows))
    assert [row["step"] for row in read] == [1, 2] and np.isnan(read[1]["loss"])


@pytest.mark.parametrize(
    "tail",
    [b'{"step": 2', b'{"step": 2, "event": "caf\xc3', b"\0\0\0", b'{"st\n', b"1\n\n"],
)
def test_half_a_last_line_is_skipped(tmp_path, tail):
    read = read_history(written(tmp_path, {"step": 1}, "", tail=tail))
    assert read == [{"step": 1}]


@pytest.mark.parametrize(
    "line", ['{"step": 2', "[]", "{}", '{"step": 1.5}', '{"step": true}', "nonsense"]
)
def test_other_broken_lines_are_refused_by_number(tmp_path, line):
    with pytest.raises(InputError, match="line 3 of .*metrics.jsonl is broken"):
        read_history(written(tmp_path, {"step": 1}, "", line, {"step": 3}))


def test_files_that_cannot_be_read_are_refused(tmp_path):
    with pytest.raises(InputError, match="metrics.jsonl in the folder"):
        read_history(tmp_path / "no")


def test_an_empty_file_has_no_rows(tmp_path):
    assert read_history(written(tmp_path)) == []


def test_after_a_resume_the_last_row_of_each_step_and_kind_counts(tmp_path):
    first = [
        {"step": 10, "loss": 1.0},
        {"step": 20, "loss": 2.0},
        {"step": 20, "eval/s/map": 0.1},
        {"step": 20, "event": "best"},
        {"step": 30, "loss": 3.0},
    ]
    again = [
        {"step": 10, "event": "resumed"},
        {"step": 20, "loss": 2.5},
        {"step": 20, "eval/s/map": 0.2},
    ]
    assert read_history(written(tmp_path, *first, *again)) == [
        first[0],
        again[0],
        first[3],
        again[1],
        again[2],
        first[4],
    ]


ROWS = [
    {"step": 1, "time_s": 0.5, "loss": 3.0, "note": "x"},
    {"step": 1, "time_s": 0.6, "eval/s/map": 0.25},
    {"step": 2, "time_s": 0.7, "loss": None, "rate": 1},
    {"step": 2, "time_s": 0.8, "event": "best", "loss": 9.0, "value": 1.0},
]


def test_metrics_are_named_by_kind_in_order_of_appearance():
    assert metric_names(ROWS, evaluation=False) == ["loss", "note", "rate"]
    assert metric_names(ROWS, evaluation=True) == ["eval/s/map"]


def test_series_of_a_metric():
    steps, values = series(ROWS, "loss")
    assert steps.tolist() == [1, 2]
    np.testing.assert_array_equal(values, [3.0, NAN])
    np.testing.assert_array_equal(series(ROWS, "note")[1], [NAN])
    assert len(series(ROWS, "absent")[0]) == 0


def test_the_first_best_value_is_found():
    values = np.array([NAN, 0.5, 0.1, 0.5, 0.1])
    assert best_place(values, lower_is_better=False) == 1
    assert best_place(values, lower_is_better=True) == 2
    assert best_place(np.array([NAN]), lower_is_better=True) is None
    assert best_place(np.array([]), lower_is_better=True) is None


def test_losses_improve_by_falling_and_fractions_by_rising():
    falling = ["loss", "val_loss", "top1_error", "median_rank"]
    rising = ["map", "recall@1", "map@r", "accuracy"]
    assert all(map(lower_is_better, falling))
    assert not any(map(lower_is_better, rising))
