"""What becomes of the images of a label."""

from pathlib import Path

import numpy as np

from jaxsim.data.inspection import UsableImage
from jaxsim.data.records import Record
from jaxsim.experiment.cleaning import Cleaned, Cleaning, judged
from jaxsim.pipeline.clean_label import LabelGraph

USABLE = UsableImage(height=100, width=200, content="")


def record(name, **fields):
    return Record(name=name, content=Path(name), label="x", **fields)


def graph(kept, *, boxes=None, inliers=None, groups=None):
    n = len(kept)
    whole = np.tile([0.0, 0, 100, 200], (n, 1))
    return LabelGraph(
        np.array(kept),
        whole if boxes is None else np.array(boxes),
        np.full(n, 3) if inliers is None else np.array(inliers),
        np.ones(n, int) if groups is None else np.array(groups),
    )


def label_of(records, found, **options):
    rows = [row for row, r in records.items() if r.name != "bad"]
    return judged(
        "x",
        records,
        {row: USABLE for row in rows},
        {row: "damaged" for row in records if row not in rows},
        found,
        Cleaning(**options),
    )


def test_each_image_is_kept_or_has_a_reason():
    names = ["k1", "bad", "k2", "d1", "d2", "d3", "k3"]
    records = {3 * i: record(name) for i, name in enumerate(names)}
    found = label_of(
        records,
        graph(
            [True, True, False, False, False, True],
            boxes=[[10.0, 20, 60, 120]] * 6,
            inliers=[40, 40, 25, 25, 9, 30],
            groups=[3, 3, 2, 2, 1, 3],
        ),
    )
    assert [image.id for image in found.kept] == [0, 6, 18]
    assert found.kept[0].record.box == (10, 20, 60, 120)
    assert found.matched and found.most_inliers == 40
    other = "one of 2 that agree, but not with the 3 that are kept"
    assert {image.source.name: image.reason for image in found.dropped} == {
        "bad": "damaged",
        "d1": other,
        "d2": other,
        "d3": "agrees with no other image of its label: at most 9 inliers, "
        "20 are needed",
    }


def test_boxes_are_inside_the_one_that_the_image_had_and_not_too_small():
    boxed = record("boxed", box=(-3.0, 30.4, 97.0, 230.0))
    records = {0: boxed, 1: record("tiny")}
    found = label_of(
        records, graph([True, True], boxes=[[10.0, 20, 60, 120], [5.0, 9, 8, 90]])
    )
    assert found.kept[0].record.box == (10, 50, 60, 150)
    assert found.kept[1].record is records[1]


def test_a_label_without_agreement_can_be_kept_as_it_is():
    records = {i: record(name) for i, name in enumerate(["a", "bad", "b"])}
    kept = label_of(records, graph([False, False]), unmatched="keep")
    assert [image.record for image in kept.kept] == [records[0], records[2]]
    assert [image.source.name for image in kept.dropped] == ["bad"]
    assert not kept.matched
    dropped = label_of(records, graph([False, False]))
    assert not dropped.kept and len(dropped.dropped) == 3


def test_a_collection_lists_images_in_its_own_order():
    first = label_of({5: record("f"), 1: record("b")}, graph([True, True]))
    second = label_of({3: record("d"), 4: record("e")}, graph([True, False]))
    both = Cleaned(labels=[first, second], unlabelled=[record("n")], unfollowed=[])
    assert [r.name for r in both.kept] == ["b", "d", "f"]
    assert [(r.name, r.reason) for r in both.dropped][1:] == [("n", "no label")]
    assert both.to_json()["labels"][1] == {
        "name": "x",
        "kept": 1,
        "dropped": 1,
        "most_inliers": 3,
        "matched": True,
    }
