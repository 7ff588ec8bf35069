from pathlib import Path

import pytest

from jaxsim.core.errors import InputError
from jaxsim.data.datasets import labelled
from jaxsim.data.image_folder import image_folder
from jaxsim.data.records import Record


def records(text):
    """Makes records from "name:label:split" words."""
    return [
        Record(name=n, content=lambda: b"", label=la or None, split=s or None)
        for n, la, s in (word.split(":") for word in text.split())
    ]


def names(images):
    return [record.name for record in images]


def test_each_image_queries_the_others():
    data = labelled.leave_one_out(records("a:x: b:x: c:: d:y:"), name="mine")
    assert (data.name, names(data.database)) == ("mine", ["a", "b", "c", "d"])
    assert data.queries is None and data.positives is None


def test_the_first_image_of_each_label_asks(tmp_path):
    rows = ["path,label", "a,x", "b,y", "c,x", "d,x", "e,", "f,z", "g,y"]
    for name in "abcdefg":
        (tmp_path / name).write_bytes(b"jpeg")
    (tmp_path / "list.csv").write_text("\n".join(rows))
    (data,) = labelled.one_query_a_label(tmp_path / "list.csv")
    assert [Path(name).name for name in names(data.queries)] == ["a", "b"]
    assert data.positives == [[2, 3], [6]] and data.ignored == [[0], [1]]
    assert len(data.database) == 7


def test_labels_of_one_image_cannot_ask(tmp_path):
    (tmp_path / "a").write_bytes(b"jpeg")
    (tmp_path / "list.csv").write_text("path,label\na,x")
    with pytest.raises(InputError, match="no label .* has two images"):
        labelled.one_query_a_label(tmp_path / "list.csv")


def test_one_split_alone():
    images = records("a:x:train b:x:test c:x:test d:x:")
    assert names(labelled.leave_one_out(images, name="t", split="test").database) == [
        "b",
        "c",
    ]


def test_test_queries_train():
    data = labelled.query_index(
        records("a:x:train b:x:test c:y:train d:z:test"), name="mine"
    )
    assert names(data.queries) == ["b", "d"]
    assert names(data.database) == ["a", "c"]


def test_a_folder_with_train_and_test(tmp_path):
    for name in ("train/cat/1.jpg", "train/dog/1.jpg", "test/cat/1.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"jpeg")
    listing = image_folder(tmp_path)
    data = labelled.query_index(listing.records, name="pets")
    assert [record.label for record in data.queries] == ["cat"]
    assert [record.label for record in data.database] == ["cat", "dog"]


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("a:x: b:y:", "2 images and 2 labels, and no label has two"),
        ("a:: b::", "2 images and 0 labels"),
        ("a:x:", "no label has two"),
        ("", "0 images"),
        ("a:x: a:x:", "listed more than once, the first is 'a'"),
    ],
)
def test_images_that_cannot_find_each_other(text, complaint):
    with pytest.raises(InputError, match=complaint):
        labelled.leave_one_out(records(text), name="mine")


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("a:x:train b:x:train", "no images of the split 'test'.* train"),
        ("a:x: b:x:", "the splits found are None"),
        ("a:x:train b:y:test", "shares a label"),
        ("a::train b::test", "shares a label"),
    ],
)
def test_splits_that_cannot_be_used(text, complaint):
    with pytest.raises(InputError, match=complaint):
        labelled.query_index(records(text), name="mine")


def test_boxes_are_learned_from_images_that_have_one(tmp_path):
    lines = ["path,label,split,box", "a,x,train,1 2 3 4", "b,x,train,", "c,x,test,"]
    manifest = tmp_path / "boxes.csv"
    manifest.write_text("\n".join([*lines, "d,x,test,1 2 3 4"]))
    found = labelled.boxed_training_images(manifest)
    assert names(found) == ["a"] and found[0].box == (1, 2, 3, 4)
    (measured,) = labelled.held_out(manifest, cropped=False)
    assert all(record.box is None for record in measured.queries)
    (measured,) = labelled.held_out(manifest)
    assert [record.box for record in measured.queries] == [None, (1, 2, 3, 4)]

    manifest.write_text("\n".join(line.replace("1 2 3 4", "") for line in lines))
    with pytest.raises(InputError, match="none of the 2 images of .* has a box"):
        labelled.boxed_training_images(manifest)
