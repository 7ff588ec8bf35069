"""The allocator's pages are chosen once, and what the user chose is kept."""

import os
import subprocess
import sys

import pytest

from jaxsim.core.memory import RESTARTED, SETTING, restart_with_huge_pages

PROGRAM = """
import os, sys
from jaxsim.core.memory import restart_with_huge_pages
print("started", flush=True)
if "STRIPPED" in os.environ:
    os.environ.pop("GLIBC_TUNABLES", None)
restart_with_huge_pages()
print(os.environ.get("GLIBC_TUNABLES"), sys.argv[1:], os.getpid())
"""


def lines_of(tmp_path, **environment):
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    ours = ("GLIBC_TUNABLES", RESTARTED)
    kept = {k: v for k, v in os.environ.items() if k not in ours}
    done = subprocess.Popen(
        [sys.executable, file, "a b", "--c"],
        env=kept | environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.communicate(timeout=60)[0].splitlines(), done.pid


@pytest.mark.skipif(
    "CS_GNU_LIBC_VERSION" not in os.confstr_names, reason="not a glibc system"
)
def test_a_process_restarts_once_as_it_was(tmp_path):
    lines, number = lines_of(tmp_path)
    assert lines == ["started"] * 2 + [f"{SETTING} ['a b', '--c'] {number}"]
    lines, _ = lines_of(tmp_path, GLIBC_TUNABLES="glibc.malloc.arena_max=4")
    assert lines[2].startswith(f"glibc.malloc.arena_max=4:{SETTING} ")


def test_a_choice_of_pages_is_kept(tmp_path):
    lines, _ = lines_of(tmp_path, GLIBC_TUNABLES="glibc.malloc.hugetlb=0")
    assert lines[0] == "started" and lines[1].startswith("glibc.malloc.hugetlb=0 ")


def test_a_setting_that_is_taken_away_is_not_asked_for_again(tmp_path):
    lines, _ = lines_of(tmp_path, STRIPPED="1")
    assert len(lines) <= 3 and lines[-1].startswith("None ")


def test_other_systems_are_left_alone(monkeypatch):
    monkeypatch.delenv(RESTARTED, raising=False)
    monkeypatch.delenv("GLIBC_TUNABLES", raising=False)
    monkeypatch.setattr(os, "confstr_names", {})
    restart_with_huge_pages()
    assert "GLIBC_TUNABLES" not in os.environ
