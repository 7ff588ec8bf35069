"""A folder of labels becomes a retrieval set, with or without splits."""

import pytest
from PIL import Image

from jaxsim.core.errors import InputError
from jaxsim.data.datasets.labelled import folder


def write(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)


def test_labels_query_each_other(tmp_path):
    write(tmp_path, "a/1.jpg", "a/2.jpg", "b/1.jpg")
    (data,) = folder(tmp_path)
    assert data.queries is None
    assert [record.label for record in data.database] == ["a", "a", "b"]


def test_test_queries_train(tmp_path):
    write(tmp_path, "train/a/1.jpg", "train/b/1.jpg", "test/a/2.jpg")
    (data,) = folder(tmp_path)
    assert [record.name for record in data.database] == [
        "train/a/1.jpg",
        "train/b/1.jpg",
    ]
    assert [record.label for record in data.queries] == ["a"]


def test_labels_of_one_image_are_refused(tmp_path):
    write(tmp_path, "a/1.jpg", "b/1.jpg")
    with pytest.raises(InputError, match="no label has two images"):
        folder(tmp_path)
