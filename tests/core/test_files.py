"""Files appear whole or not at all."""

import errno
import os

import pytest

from jaxsim.core import files
from jaxsim.core.errors import InputError
from jaxsim.core.files import (
    atomic_write,
    check_target,
    content_hash,
    read_object,
)


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


def test_good_targets_pass_and_nothing_is_made(tmp_path):
    (tmp_path / "old.json").write_text("old")
    for target in (tmp_path / "old.json", tmp_path / "new/deep/a.json", os.devnull):
        check_target(target)
    assert [path.name for path in tmp_path.iterdir()] == ["old.json"]


def test_targets_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("x")
    for target in (tmp_path, f"{tmp_path}/new/"):
        with pytest.raises(InputError, match="is a folder"):
            check_target(target)
    with pytest.raises(InputError, match="file is not a folder"):
        check_target(tmp_path / "file" / "a.json")
    # The superuser may write everywhere, so the answer is pretended.
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    with pytest.raises(InputError, match="no permission to write"):
        check_target(tmp_path / "new" / "a.json")


def test_an_object_is_read(tmp_path):
    (tmp_path / "a.json").write_text('{"é": [1]}', encoding="utf-8")
    assert read_object(tmp_path / "a.json", mend="Do it again") == {"é": [1]}


@pytest.mark.parametrize("content", [b"", b'{"a": ', b"[1]", b"\xff{}", b"\0" * 9])
def test_a_damaged_object_is_refused_with_what_to_do(content, tmp_path):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.json is damaged .*\. Do it again"):
        read_object(tmp_path / "a.json", mend="Do it again")
