import builtins
import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jaxsim.core.errors import InputError
from jaxsim.index.storage import IndexStore
from tests.index.stores import Folder, contents, create, expected, update

ROOT = Path(__file__).parents[2]


def test_killed_at_any_step_the_index_is_as_before_or_as_after(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tests.index.kill", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(done.stdout.split()[1]) >= 15


def test_a_full_disk_leaves_the_index_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "index"
    create(path)
    old = Folder(a="red", b="green")
    update(path, old)
    new = Folder(a="red", c="blue")
    opened = builtins.open

    class FullDisk:
        def __init__(self, file):
            self.file = file

        def __getattr__(self, name):
            return getattr(self.file, name)

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.file.close()

        def write(self, data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    for full in ("pending", "segment-000002.npy", ".parquet", "manifest.json"):

        def open_on_a_full_disk(file, mode="r", *args, full=full, **options):
            handle = opened(file, mode, *args, **options)
            return FullDisk(handle) if mode == "wb" and full in str(file) else handle

        with monkeypatch.context() as patch:
            patch.setattr(builtins, "open", open_on_a_full_disk)
            with pytest.raises(InputError, match="No space left"):
                update(path, new)
        assert contents(IndexStore.open(path)) == expected(old)
    new.embedded.clear()
    assert contents(update(path, new)) == expected(new)
    assert new.embedded == []
