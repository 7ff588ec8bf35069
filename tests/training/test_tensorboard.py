"""What is written can be read by TensorBoard's own format."""

import struct
import sys

import pytest

from jaxsim.core.errors import InputError, MissingExtraError
from jaxsim.training.tensorboard import tensorboard

ROWS = [
    {"step": 0, "time_s": 0.0, "event": "started", "steps": 2},
    {"step": 1, "time_s": 0.5, "loss": 0.25},
    {"step": 2, "time_s": 0.6, "loss": 0.125},
    {"step": 2, "time_s": 0.7, "eval/set/map": 0.75},
]


def events_in(folder):
    """Reads the files: length, checksum, event, checksum, and so on."""
    from tensorboardX.proto.event_pb2 import Event

    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        while data:
            (length,) = struct.unpack("<Q", data[:8])
            yield Event.FromString(data[12 : 12 + length])
            data = data[16 + length :]


def test_each_number_of_each_step_is_an_event(tmp_path):
    with tensorboard(tmp_path / "board") as listener:
        assert not (tmp_path / "board").exists()  # not before the run has begun
        for row in ROWS:
            listener(row)
    told = {
        (value.tag, event.step): value.simple_value
        for event in events_in(tmp_path / "board")
        for value in event.summary.value
    }
    assert told.pop(("loss", 1)) == 0.25 and told.pop(("loss", 2)) == 0.125
    assert told.pop(("eval/set/map", 2)) == 0.75
    assert {tag for tag, _ in told} == {"time_s"}


def test_a_resumed_run_takes_back_later_steps(tmp_path):
    for event in ("started", "resumed"):
        with tensorboard(tmp_path) as listener:
            listener({"step": 5, "time_s": 0.0, "event": event})
    sessions = [e.step for e in events_in(tmp_path) if e.HasField("session_log")]
    assert sessions == [6, 6] and len(list(tmp_path.iterdir())) == 2


def test_the_missing_package_names_the_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorboardX.summary", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'jaxsim\[tensorboard\]'"):
        with tensorboard(tmp_path):
            pass


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "board").write_text("in the way")
    with tensorboard(tmp_path / "board") as listener:
        with pytest.raises(InputError, match="cannot write to .*board: File exists"):
            listener(ROWS[1])
