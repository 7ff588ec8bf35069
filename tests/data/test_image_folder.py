import os
from pathlib import Path

import pytest

from jaxsim.core.errors import InputError
from jaxsim.data.image_folder import image_folder


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")


def labels(root):
    return {r.name: r.label for r in image_folder(root).records}


def test_labels_are_folders(tmp_path):
    touch(tmp_path, "b/2.JPG", "b/10.jpeg", "a/x/1.png", "flat.webp")
    records, rejects = image_folder(tmp_path)
    assert [(r.name, r.label, r.split) for r in records] == [
        ("a/x/1.png", "a/x", None),
        ("b/10.jpeg", "b", None),
        ("b/2.JPG", "b", None),
        ("flat.webp", None, None),
    ]
    assert records[0].content == tmp_path / "a/x/1.png"
    assert rejects == []


def test_splits(tmp_path):
    touch(tmp_path, "train/a/1.jpg", "test/2.jpg", "val/a/5.jpg", "other/3.jpg")
    touch(tmp_path, "4.jpg")
    records = image_folder(tmp_path).records
    assert {r.name: (r.split, r.label) for r in records} == {
        "train/a/1.jpg": ("train", "a"),
        "test/2.jpg": ("test", None),
        "val/a/5.jpg": ("val", "a"),
        "other/3.jpg": (None, "other"),
        "4.jpg": (None, None),
    }


def test_a_folder_called_train_is_a_label_without_one_called_test(tmp_path):
    touch(tmp_path, "train/1.jpg", "val/2.jpg", "plane/3.jpg", "ship/test/4.jpg")
    touch(tmp_path, "test.jpg")
    (tmp_path / "test").mkdir()
    records = image_folder(tmp_path).records
    assert {r.label for r in records} == {"train", "val", "plane", "ship/test", None}
    assert {r.split for r in records} == {None}


def test_other_and_hidden_files_are_passed_over(tmp_path):
    touch(tmp_path, "a.jpg", "notes.txt", "._a.jpg", ".cache/b.jpg", "noext")
    assert list(labels(tmp_path)) == ["a.jpg"]


def test_odd_names(tmp_path):
    names = ["with space.jpg", "new\nline.jpg", "grün/图.jpg", "a,b;'\".png"]
    touch(tmp_path, *names)
    assert list(labels(tmp_path)) == sorted(names)


def test_names_that_are_not_utf8(tmp_path):
    path = os.fsencode(tmp_path) + b"/\xff\xfe.jpg"
    try:
        open(path, "wb").close()
    except OSError:
        pytest.skip("this file system wants UTF-8 names")
    record = image_folder(tmp_path).records[0]
    assert os.fsencode(record.name) == b"\xff\xfe.jpg"
    assert record.read() == b""


def test_a_symlink_loop_ends_and_is_reported(tmp_path):
    touch(tmp_path, "a/1.jpg")
    (tmp_path / "a/loop").symlink_to(tmp_path, target_is_directory=True)
    (tmp_path / "self.jpg").symlink_to(tmp_path / "self.jpg")
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere")
    records, rejects = image_folder(tmp_path)
    assert [r.name for r in records] == ["a/1.jpg"]
    reasons = {reject.name: reject.reason for reject in rejects}
    assert reasons.keys() == {"a/loop", "self.jpg", "gone.jpg"}
    assert "already visited" in reasons["a/loop"]
    assert "nowhere" in reasons["gone.jpg"]


def test_a_linked_folder_is_followed_once_under_its_real_name(tmp_path):
    touch(tmp_path, "photos/z/1.jpg")
    touch(tmp_path, "elsewhere/2.jpg")
    (tmp_path / "photos/a").symlink_to(tmp_path / "photos/z")
    (tmp_path / "photos/b").symlink_to(tmp_path / "elsewhere")
    records, rejects = image_folder(tmp_path / "photos")
    assert [r.name for r in records] == ["b/2.jpg", "z/1.jpg"]
    assert [r.name for r in rejects] == ["a"]


def test_special_files_are_rejected_without_opening_them(tmp_path):
    touch(tmp_path, "1.jpg")
    os.mkfifo(tmp_path / "pipe.jpg")
    assert [(r.name, r.reason) for r in image_folder(tmp_path).rejects] == [
        ("pipe.jpg", "not a regular file")
    ]


def test_an_unreadable_folder_is_reported(tmp_path, monkeypatch):
    touch(tmp_path, "a/1.jpg", "locked/2.jpg")
    scandir = os.scandir

    def refuse(path):
        if Path(path).name == "locked":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    records, rejects = image_folder(tmp_path)
    assert [r.name for r in records] == ["a/1.jpg"]
    assert [(r.name, r.reason) for r in rejects] == [
        ("locked", "cannot be listed: Permission denied")
    ]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_without_permission(tmp_path):
    touch(tmp_path, "a/1.jpg", "locked/2.jpg")
    (tmp_path / "locked").chmod(0)
    try:
        assert [r.name for r in image_folder(tmp_path).rejects] == ["locked"]
    finally:
        (tmp_path / "locked").chmod(0o700)


def test_empty_folder(tmp_path):
    with pytest.raises(InputError, match="no images in"):
        image_folder(tmp_path)
    touch(tmp_path, "readme.txt")
    with pytest.raises(InputError, match="no images in"):
        image_folder(tmp_path)


def test_not_a_folder(tmp_path):
    with pytest.raises(InputError, match="No such file"):
        image_folder(tmp_path / "missing")
    touch(tmp_path, "a.jpg")
    with pytest.raises(InputError, match="Not a directory"):
        image_folder(tmp_path / "a.jpg")


def test_grocery_photos(shared_data):
    records, rejects = image_folder(shared_data / "grocery")
    assert len(records) == 5502 and not rejects
    assert {r.split for r in records} == {"train", "val", "test", None}
