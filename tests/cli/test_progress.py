"""A bar on a terminal, few lines in a log."""

import io
import sys
import time

import pytest

from jaxsim.cli.progress import progress_bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that tests set."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_a_log_gets_a_line_every_ten_seconds(clock, monkeypatch):
    monkeypatch.setattr(sys, "stderr", log := io.StringIO())
    with progress_bar("embed", 1000) as report:
        for _ in range(200):
            clock[0] += 0.125
            report(5)
    assert log.getvalue().splitlines() == [
        "embed: 400 of 1000 images, 40.0 images/s, 15 s left",
        "embed: 800 of 1000 images, 40.0 images/s, 5 s left",
        "embed: 1000 of 1000 images, 25.0 s",
    ]


def test_the_last_line_is_not_written_twice(clock, monkeypatch):
    monkeypatch.setattr(sys, "stderr", log := io.StringIO())
    with progress_bar("embed", 5) as report:
        clock[0] += 10
        report(5)
    assert log.getvalue() == "embed: 5 of 5 images, 10.0 s\n"


def test_a_short_stage_leaves_one_line(clock, monkeypatch):
    monkeypatch.setattr(sys, "stderr", log := io.StringIO())
    with progress_bar("list", None, "files") as report:
        report(3)
    assert log.getvalue() == "list: 3 files, 0.0 s\n"


def test_a_failing_stage_does_not_say_that_it_is_done(clock, monkeypatch):
    monkeypatch.setattr(sys, "stderr", log := io.StringIO())
    with pytest.raises(KeyboardInterrupt), progress_bar("embed", 2) as report:
        report(1)
        raise KeyboardInterrupt
    assert log.getvalue() == ""


def test_a_terminal_gets_a_bar(monkeypatch):
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    with progress_bar("embed", 2) as report:
        report(2)
    assert "embed: 100%" in terminal.getvalue() and "\r" in terminal.getvalue()
