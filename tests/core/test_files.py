"""Files appear whole or not at all."""

import errno

import pytest

from jaxsim.core import files
from jaxsim.core.errors import InputError
from jaxsim.core.files import atomic_write, content_hash


def test_a_written_file_is_whole_and_alone(tmp_path):
    with atomic_write(tmp_path / "new" / "a.bin") as file:
        file.write(b"abc")
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["a.bin"]
    assert (tmp_path / "new" / "a.bin").read_bytes() == b"abc"


def test_a_failing_writer_leaves_the_old_file(tmp_path):
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")
    with pytest.raises(ZeroDivisionError), atomic_write(target) as file:
        file.write(b"half")
        raise ZeroDivisionError
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_full_disk_is_an_input_error_and_keeps_the_old_file(tmp_path, monkeypatch):
    target = tmp_path / "a.bin"
    target.write_bytes(b"old")

    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(InputError, match="No space left"), atomic_write(target) as file:
        file.write(b"new")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]


def test_content_hash_depends_on_every_byte():
    assert content_hash(b"a") != content_hash(b"b")
    assert len(content_hash(b"")) == 32
