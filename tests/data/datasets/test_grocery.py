import pytest

from jaxsim.core.errors import InputError
from jaxsim.data.datasets import grocery

HEADER = "split,path,fine_class,coarse_class\n"


@pytest.fixture
def root(tmp_path):
    rows = ["train,a.jpg,0,0", "train,b.jpg,50,9", "test,c.jpg,0,0", "val,d.jpg,41,9"]
    (tmp_path / "images.csv").write_text(HEADER + "\n".join(rows))
    for name in "abcd":
        (tmp_path / f"{name}.jpg").write_bytes(b"jpeg")
    return tmp_path


def names(records):
    return [record.name for record in records]


def test_one_split_and_the_unseen_classes_of_all(root):
    test, unseen = grocery.load(root)
    assert grocery.unseen(root) == [unseen]
    assert (test.name, names(test.database)) == ("test", ["c.jpg"])
    assert (unseen.name, names(unseen.database)) == ("unseen", ["b.jpg", "d.jpg"])
    assert test.queries is None and unseen.queries is None
    assert test.database[0].label == "0"


def test_all_splits_and_another_border(root):
    everything, unseen = grocery.load(root, split=None, min_class=42)
    assert everything.name == "all" and len(everything.database) == 4
    assert names(unseen.database) == ["b.jpg"]


def test_training_images_never_meet_the_unseen(root):
    assert names(grocery.train(root)) == ["a.jpg"]
    assert names(grocery.train(root, max_class=81)) == ["a.jpg", "b.jpg"]
    assert names(grocery.train(root, split=None)) == ["a.jpg", "c.jpg"]


def test_missing_table_missing_photo_wrong_class_unknown_split(root, tmp_path):
    with pytest.raises(InputError, match=r"images\.csv"):
        grocery.load(tmp_path / "absent")
    with pytest.raises(InputError, match="no image of split 'tests'"):
        grocery.load(root, split="tests")
    with pytest.raises(InputError, match="no image of classes from 60 on"):
        grocery.load(root, min_class=60)
    (root / "b.jpg").unlink()
    with pytest.raises(InputError, match=r"1 of 4 expected files.*b\.jpg"):
        grocery.load(root)
    (root / "images.csv").write_text(HEADER + "test,a.jpg,apple,0\n")
    with pytest.raises(InputError, match="fine_class 'apple'.*expected an integer"):
        grocery.load(root)


def test_real_folder(shared_data):
    test, unseen = grocery.load(shared_data / "grocery")
    assert len(test.database) == 2485
    assert len({record.label for record in test.database}) == 81
    assert min(int(record.label) for record in unseen.database) == 41
