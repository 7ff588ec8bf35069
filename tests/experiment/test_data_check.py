import numpy as np

from jaxsim.data.check import DataCheck
from jaxsim.data.inspection import UsableImage
from jaxsim.data.records import Record
from jaxsim.experiment.data_check import near_duplicates


def made(splits, contents):
    return DataCheck(
        records=[
            Record(name=str(i), content=bytes, split=split)
            for i, split in enumerate(splits)
        ],
        inspected=[UsableImage(height=9, width=9, content=c) for c in contents],
    )


def test_near_duplicates_against_a_plain_loop():
    generator = np.random.default_rng(0)
    splits = generator.choice(["train", "val", "test", None], 60).tolist()
    contents = [str(i) for i in generator.integers(0, 55, 60)]
    check = made(splits, contents)
    drawn = generator.standard_normal((60, 3)).astype(np.float32)
    vectors = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    by_id = {i: vectors[i] for i in range(60) if i != 7}
    expected = []
    order = ["train", "val", "test", None]
    for i in by_id:
        before = [j for j in by_id if order.index(splits[j]) < order.index(splits[i])]
        if not before or contents[i] in {contents[j] for j in before}:
            continue
        best = max(before, key=lambda j: float(vectors[i] @ vectors[j]))
        score = float(vectors[i] @ vectors[best])
        if score >= 0.97:
            expected.append((i, best, score))
    expected.sort(key=lambda row: -row[2])
    found = near_duplicates(check, by_id, threshold=0.97)
    assert 5 < len(found) < 45
    assert [(n.id, n.like) for n in found] == [(i, j) for i, j, _ in expected]
    np.testing.assert_allclose([n.score for n in found], [s for *_, s in expected])


def test_one_split_has_no_near_duplicates():
    vectors = {i: np.ones(1, np.float32) for i in range(3)}
    assert near_duplicates(made(["a"] * 3, "xyz"), vectors, threshold=0.5) == []
