import pytest

from jaxsim.core.errors import InputError
from jaxsim.data.datasets import smvs


def make(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"jpeg")
    return root


def test_a_query_is_answered_by_the_reference_of_its_name(tmp_path):
    make(tmp_path, "s/query/b.jpg", "s/query/a.jpg", "s/query/notes.txt")
    make(tmp_path, "s/reference/a.jpg", "s/reference/aa.jpg", "s/reference/b.jpg")
    (data,) = smvs.load(tmp_path, sets=("s",))
    assert data.name == "s"
    assert [r.name for r in data.queries] == ["s/query/a.jpg", "s/query/b.jpg"]
    assert data.positives == [[0], [2]]
    assert data.database[2].read() == b"jpeg"


def test_sets_share_a_database_with_distractors(tmp_path):
    for part in ("s", "t"):
        make(tmp_path, f"{part}/query/a.jpg", f"{part}/query/b.jpg")
        make(tmp_path, f"{part}/reference/a.jpg", f"{part}/reference/b.jpg")
    others = make(tmp_path / "others", "soup/1.jpg", "2.jpg")
    one, other = smvs.among(tmp_path, distractors=str(others), sets=("s", "t"))
    names = [f"{part}/reference/{name}.jpg" for part in "st" for name in "ab"]
    assert [r.name for r in one.database] == [*names, "2.jpg", "soup/1.jpg"]
    assert one.database == other.database
    assert one.positives == [[0], [1]] and other.positives == [[2], [3]]
    assert [r.label for r in one.database[4:]] == [None, None]


def test_a_query_without_reference_is_named(tmp_path):
    make(tmp_path, "s/query/a.jpg", "s/query/b.jpg", "s/reference/a.jpg")
    with pytest.raises(InputError, match=r"1 of 2 .*missing: .*s/reference/b\.jpg"):
        smvs.load(tmp_path, sets=("s",))


def test_an_empty_folder_says_what_was_expected(tmp_path):
    with pytest.raises(InputError, match=r"landmarks/query/X\.jpg"):
        smvs.load(tmp_path)


def test_real_folder(shared_data):
    landmarks, covers = smvs.load(shared_data / "smvs")
    for data in (landmarks, covers):
        assert len(data.queries) == len(data.database) == 101
        for query, (row,) in zip(data.queries, data.positives, strict=True):
            assert query.label == data.database[row].label
