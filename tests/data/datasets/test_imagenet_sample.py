import pytest

from jaxsim.core.errors import InputError
from jaxsim.data.datasets import imagenet_sample


def test_labels_are_class_indices(tmp_path):
    (tmp_path / "labels.csv").write_text("path,class_index,name\nx.jpg,17,jay\n")
    with pytest.raises(InputError, match=r"x\.jpg"):
        imagenet_sample.load(tmp_path)
    (tmp_path / "x.jpg").write_bytes(b"jpeg")
    (record,) = imagenet_sample.load(tmp_path)
    assert (record.name, record.label) == ("x.jpg", "17")


def test_absent_table(tmp_path):
    with pytest.raises(InputError, match=r"labels\.csv"):
        imagenet_sample.load(tmp_path)


def test_real_folder(shared_data):
    records = imagenet_sample.load(shared_data / "imagenet_sample")
    classes = [int(record.label) for record in records]
    assert len(set(classes)) == len(records) == 500
    assert min(classes) == 0 and max(classes) <= 999
