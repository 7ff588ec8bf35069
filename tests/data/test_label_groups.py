import numpy as np

from jaxsim.data.label_groups import group_by_label


def test_groups_against_a_plain_loop():
    names = ["b", "a", None, "c"]
    labels = [names[i] for i in np.random.default_rng(0).integers(0, 4, 60)]
    groups = group_by_label(labels)
    assert groups.names == ("a", "b", "c")
    for code, name in enumerate(groups.names):
        start, size = groups.start[code], groups.size[code]
        expected = [i for i, label in enumerate(labels) if label == name]
        assert groups.order[start : start + size].tolist() == expected
        assert (groups.codes[expected] == code).all()
    assert len(groups.order) == 60 - labels.count(None)
    assert [label is None for label in labels] == (groups.codes == -1).tolist()


def test_no_labels():
    groups = group_by_label([None, None])
    assert groups.names == () and groups.codes.tolist() == [-1, -1]
    assert len(groups.order) == len(groups.start) == len(groups.size) == 0
