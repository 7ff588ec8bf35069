import csv

import pytest

from jaxsim.core.errors import InputError
from jaxsim.data.rejects import Reject, write_rejects


def test_odd_names_survive(tmp_path):
    names = ["plain.jpg", "a, b.jpg", 'quo"te.jpg', "new\nline.jpg", "grün 图.jpg"]
    path = tmp_path / "rejects.csv"
    write_rejects(path, [Reject(name=name, reason="empty file") for name in names])
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == names
    assert {row["reason"] for row in rows} == {"empty file"}


def test_names_that_are_not_utf8_are_escaped(tmp_path):
    path = tmp_path / "rejects.csv"
    write_rejects(
        path, [Reject(name=b"\xff.jpg".decode("utf-8", "surrogateescape"), reason="x")]
    )
    assert "\\udcff.jpg,x" in path.read_text("utf-8")


def test_no_rejects_give_a_header(tmp_path):
    write_rejects(tmp_path / "r.csv", [])
    assert (tmp_path / "r.csv").read_text().split() == ["name,reason"]


def test_an_unwritable_place_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="cannot write"):
        write_rejects(tmp_path, [])
