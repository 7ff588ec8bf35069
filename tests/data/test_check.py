import json

import pytest

from jaxsim.data.check import DataCheck, NearDuplicate, histogram, in_order
from jaxsim.data.inspection import UsableImage
from jaxsim.data.records import Record
from jaxsim.data.rejects import Reject

ROWS = [
    # name, split, label, content (None: cannot be used), size
    ("a", "train", "cat", "1", (100, 100)),
    ("b", "train", "cat", "2", (100, 250)),
    ("c", "train", "dog", "2", (300, 200)),
    ("d", "train", "dog", None, None),
    ("e", "train", None, "3", (127, 128)),
    ("f", "test", "cat", "1", (4096, 2000)),
    ("g", "test", "owl", "4", (5000, 5000)),
    ("h", "test", "owl", "5", (500, 100)),
    ("i", "test", "owl", "5", (500, 100)),
]


@pytest.fixture
def check():
    return DataCheck(
        records=[
            Record(name=name, content=bytes, split=split, label=label)
            for name, split, label, _, _ in ROWS
        ],
        inspected=[
            Reject(name=name, reason="empty file", id=i)
            if content is None
            else UsableImage(height=size[0], width=size[1], content=content)
            for i, (name, _, _, content, size) in enumerate(ROWS)
        ],
        unfollowed=[Reject(name="loop", reason="link to a folder already visited")],
        near_duplicates=[NearDuplicate(6, 2, 0.97654321)],
    )


def test_splits_are_counted(check):
    assert [split._asdict() for split in check.splits] == [
        {
            "name": "train",
            "images": 5,
            "labels": 2,
            "unlabelled": 1,
            "lonely": ("dog",),
            "untrained": (),
        },
        {
            "name": "test",
            "images": 4,
            "labels": 2,
            "unlabelled": 0,
            "lonely": ("cat",),
            "untrained": ("owl",),
        },
    ]
    assert check.num_labels == 3 and sorted(check.usable) == [0, 1, 2, 4, 5, 6, 7, 8]
    assert [reject.name for reject in check.rejects] == ["loop", "d"]


def test_copies_come_by_the_harm_they_do(check):
    assert check.copies == [
        ((0, 5), True, False),
        ((1, 2), False, True),
        ((7, 8), False, False),
    ]


def test_sizes_are_counted(check):
    assert check.longest_sides == {
        "below 128": 1,
        "128 to 256": 2,
        "256 to 512": 3,
        "512 to 1024": 0,
        "1024 to 2048": 0,
        "2048 to 4096": 0,
        "4096 and more": 2,
    }
    assert check.aspects == {
        "below 1.1": 3,
        "1.1 to 1.4": 0,
        "1.4 to 1.6": 1,
        "1.6 to 2.0": 0,
        "2.0 to 3.0": 2,
        "3.0 and more": 2,
    }


def test_the_json_names_images(check):
    written = json.loads(json.dumps(check.to_json()))
    assert (written["images"], written["usable"], written["labels"]) == (9, 8, 3)
    assert written["splits"][0]["lonely"] == ["dog"]
    assert written["rejects"][1] == {"name": "d", "reason": "empty file"}
    assert written["copies"][0] == {
        "ids": [0, 5],
        "images": ["a", "f"],
        "across_splits": True,
        "labels_differ": False,
    }
    assert written["near_duplicates"] == [
        {"image": "g", "like": "c", "score": 0.976543, "labels_differ": True}
    ]


def test_a_collection_without_splits(check):
    records = [
        Record(name=record.name, content=bytes, label=record.label)
        for record in check.records
    ]
    whole = DataCheck(records=records, inspected=check.inspected)
    assert [split.name for split in whole.splits] == [None]
    assert whole.splits[0].lonely == ("dog",)
    assert not any(group.across_splits for group in whole.copies)


def test_training_comes_first():
    names = {"test", "zoo", "val", None, "train", "extra"}
    assert in_order(names) == ["train", "val", "test", "extra", "zoo", None]


def test_an_edge_belongs_to_the_range_above():
    assert histogram([1, 2, 2.5], (2,)) == {"below 2": 1, "2 and more": 2}
