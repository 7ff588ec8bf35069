"""A folder, a manifest or a TFDS split becomes a set, with or without parts."""

from pathlib import Path

import pytest
from PIL import Image

from jaxsim.core.errors import InputError
from jaxsim.data.datasets import (
    grocery,
    holidays,
    imagenet_sample,
    photo_views,
    smvs,
)
from jaxsim.data.datasets.labelled import held_out, load, training_images


def write(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)


def test_labels_query_each_other(tmp_path):
    write(tmp_path, "a/1.jpg", "a/2.jpg", "b/1.jpg")
    (data,) = load(tmp_path)
    assert (data.name, data.queries) == ("folder", None)
    assert training_images(tmp_path) == data.database
    assert [record.label for record in data.database] == ["a", "a", "b"]


def test_test_queries_train(tmp_path):
    write(tmp_path, "train/a/1.jpg", "train/b/1.jpg", "test/a/2.jpg")
    (data,) = load(tmp_path)
    assert [record.name for record in data.database] == [
        "train/a/1.jpg",
        "train/b/1.jpg",
    ]
    assert [record.label for record in data.queries or ()] == ["a"]
    assert data.name == "test" and training_images(tmp_path) == data.database


def test_labels_of_one_image_are_refused(tmp_path):
    write(tmp_path, "a/1.jpg", "b/1.jpg")
    with pytest.raises(InputError, match="no label has two images"):
        load(tmp_path)


def test_links_that_lead_nowhere_are_rejects(tmp_path):
    write(tmp_path, "a/1.jpg", "a/2.jpg")
    (tmp_path / "a" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    (data,) = load(tmp_path)
    assert [reject.name for reject in data.rejects] == ["a/gone.jpg"]


def test_a_manifest_with_splits(tmp_path):
    table = tmp_path / "photos.csv"
    table.write_text(
        "path,label,split\n1.jpg,a,train\n2.jpg,b,train\n3.jpg,a,test\n4.jpg,a,val\n"
    )
    (data,) = load(table)
    assert [record.name for record in data.database] == ["1.jpg", "2.jpg"]
    assert [record.name for record in data.queries or ()] == ["3.jpg"]
    assert training_images(table) == data.database


def test_a_manifest_without_splits(tmp_path):
    table = tmp_path / "photos.csv"
    table.write_text("path,label\n1.jpg,a\n2.jpg,a\n3.jpg,\n")
    (data,) = load(table)
    assert [record.label for record in data.database] == ["a", "a", None]
    assert len(training_images(table)) == 3


def test_labels_of_a_manifest_in_another_column(tmp_path):
    table = tmp_path / "photos.csv"
    table.write_text("path,kind,split\n1.jpg,a,train\n2.jpg,a,test\n3.jpg,b,train\n")
    (data,) = load(table, label_column="kind")
    assert [record.label for record in data.database] == ["a", "b"]
    assert [data] == held_out(table, label_column="kind")
    assert training_images(table, label_column="kind") == data.database
    with pytest.raises(InputError, match="no column 'sort'"):
        load(table, label_column="sort")
    with pytest.raises(InputError, match="label_column=kind is for a .csv manifest"):
        load(tmp_path, label_column="kind")


def test_what_is_held_out(tmp_path):
    write(tmp_path, "train/a/1.jpg", "train/b/1.jpg")
    assert held_out(tmp_path) == []
    write(tmp_path, "test/c/1.jpg", "test/c/2.jpg")
    (data,) = held_out(tmp_path)
    assert (data.name, data.queries) == ("test", None)
    assert [record.label for record in data.database] == ["c", "c"]
    write(tmp_path, "test/a/2.jpg")
    (data,) = held_out(tmp_path)
    assert len(data.queries or ()) == 3 and len(data.database) == 2
    assert [data] == load(tmp_path)


def test_a_tfds_split(tmp_path):
    folder = photo_views.prepare(tmp_path, views=2, max_instances=1)
    (data,) = load(Path(f"tfds:{folder}:test"))
    labels = [record.label for record in data.database]
    assert labels[0] == labels[1] and len(set(labels)) == len(labels) / 2
    assert data.database[0].read()[:2]


@pytest.mark.parametrize(
    "root, message",
    [
        ("nowhere", "there is no 'nowhere'"),
        ("tfds:food101", "names no split"),
        ("tfds:nowhere:test", "'nowhere' is not prepared"),
    ],
)
def test_sources_that_are_not_there(root, message):
    with pytest.raises(InputError, match=message):
        load(Path(root))


def test_other_data_sets_want_their_folder(tmp_path):
    for load_other in (grocery.load, holidays.load, imagenet_sample.load, smvs.load):
        with pytest.raises(InputError, match="'tfds:a:b' is no folder.*folder.py"):
            load_other(Path("tfds:a:b"))
