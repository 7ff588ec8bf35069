"""metrics.jsonl grows by whole rows and is cut back where a run goes on."""

import pytest

from jaxsim.core.errors import InputError
from jaxsim.training.log import MetricsFile, read_rows

ROWS = [{"step": step, "loss": 1 / step} for step in (1, 2, 3)]


def write(path, rows, step=0):
    with MetricsFile(path, step=step) as file:
        for row in rows:
            file(row)


def test_rows_are_on_the_disk_at_once(tmp_path):
    with MetricsFile(tmp_path / "run" / "metrics.jsonl", step=0) as file:
        for count, row in enumerate(ROWS, start=1):
            file(row)
            assert read_rows(tmp_path / "run" / "metrics.jsonl") == ROWS[:count]


def test_rows_of_later_steps_are_dropped(tmp_path):
    path = tmp_path / "metrics.jsonl"
    write(path, ROWS)
    write(path, [{"step": 3, "loss": 7.0}], step=2)
    assert read_rows(path) == [*ROWS[:2], {"step": 3, "loss": 7.0}]


@pytest.mark.parametrize("half", [b'{"step": 4, "lo', b"\0\0", b'{"st\n'])
def test_half_a_last_line_is_dropped(tmp_path, half):
    path = tmp_path / "metrics.jsonl"
    write(path, ROWS)
    with open(path, "ab") as file:
        file.write(half)
    write(path, [{"step": 4}], step=3)
    assert read_rows(path) == [*ROWS, {"step": 4}]
    assert path.read_bytes().count(b"\n") == 4


def test_a_broken_line_before_the_last_is_refused_untouched(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1\n{"step": 2}\n')
    with pytest.raises(InputError, match=r"line 1 of .* is broken"):
        MetricsFile(path, step=2)
    assert path.read_text() == '{"step": 1\n{"step": 2}\n'


def test_other_processes_write_nothing(tmp_path):
    with MetricsFile(tmp_path / "metrics.jsonl", step=0, write=False) as file:
        file(ROWS[0])
    assert not list(tmp_path.iterdir())


def test_not_a_number_comes_back(tmp_path):
    path = tmp_path / "metrics.jsonl"
    write(path, [{"step": 1, "rate": float("nan"), "name": "Zürich"}])
    (row,) = read_rows(path)
    assert row["rate"] != row["rate"] and row["name"] == "Zürich"
