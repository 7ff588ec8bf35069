"""Several sources as one collection."""

import pytest
from PIL import Image

from jaxsim.core.errors import InputError
from jaxsim.data.records import Record
from jaxsim.data.sources import open_sources


@pytest.fixture
def root(tmp_path):
    for name in ("a/1.png", "b/1.png", "b/deep/2.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    return tmp_path


def names(*sources):
    return [record.name for record in open_sources([str(s) for s in sources])[0]]


def test_one_source_keeps_its_names(root):
    assert names(root / "a" / "1.png") == ["1.png"]
    assert names(root / "b") == ["1.png", "deep/2.png"]


def test_files_of_several_are_named_from_their_common_folder(root, monkeypatch):
    assert names(root / "a/1.png", root / "b/1.png") == ["a/1.png", "b/1.png"]
    assert names(root / "b/1.png", root / "b/deep/2.png") == ["1.png", "deep/2.png"]
    assert names(root / "b", root / "a") == ["b/1.png", "b/deep/2.png", "a/1.png"]
    monkeypatch.chdir(root / "b")
    assert names("1.png", "../a/1.png") == ["b/1.png", "a/1.png"]
    assert names("1.png", "1.png") == ["1.png", "1.png"]


def test_records_without_files_keep_their_names(root, monkeypatch):
    made = [Record(name="x/7", content=lambda: b"")]
    monkeypatch.setattr("jaxsim.data.sources.tfds_source", lambda name, split: made)
    assert names("tfds:x:test", root / "a/1.png") == ["x/7", "1.png"]
    assert names("tfds:x:test", "tfds:x:test") == ["x/7", "x/7"]


def test_paths_that_cannot_be_followed_are_told(root):
    (root / "b" / "gone.png").symlink_to(root / "nowhere.png")
    _, rejects = open_sources([str(root / "a"), str(root / "b")])
    assert [reject.name for reject in rejects] == ["gone.png"]
    with pytest.raises(InputError, match="there is no"):
        open_sources([str(root / "nowhere")])


def test_one_wrong_source_among_good_ones_is_told(root):
    records, rejects = open_sources([str(root / "a/1.png"), str(root / "nowhere")])
    assert [record.name for record in records] == ["1.png"]
    assert [reject.name for reject in rejects] == [str(root / "nowhere")]
    with pytest.raises(InputError, match=r"no '.*nowhere'.*no '.*nor here'"):
        open_sources([str(root / "nowhere"), str(root / "nor here")])
