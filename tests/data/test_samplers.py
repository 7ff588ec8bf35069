from collections import Counter

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.data.samplers import (
    PK,
    RandomPairs,
    RandomTriplets,
    Uniform,
    size_options,
)

# Sizes 1, 2, 3, 8, and two images without a label.
LABELS = ["b", "c", "d", None, "c", *["e"] * 8, "d", "d", None]
PARTNERLESS = {0, 3, 15}


def label_of(position):
    return LABELS[position]


def test_options_that_make_a_batch_are_named():
    labels = ["a", "a", "b", "b"]
    for sampler, options in (
        (PK(labels, num_labels=2, per_label=3), "num_labels=2 x sampler.per_label=3"),
        (RandomPairs(labels, pairs=5), "pairs=5"),
        (RandomTriplets(labels, triplets=5), "triplets=5"),
        (Uniform(labels, batch_size=5), "batch_size=5"),
    ):
        assert size_options(sampler) == f"sampler.{options}"


def test_pk_rows_are_grouped_and_labels_differ():
    sampler = PK(LABELS, num_labels=3, per_label=4)
    assert (sampler.batch_size, sampler.steps_per_epoch) == (12, 2)
    orders = set()
    for step in range(30):
        groups = sampler(step).reshape(3, 4)
        labels = [{label_of(i) for i in group} for group in groups.tolist()]
        assert all(len(found) == 1 for found in labels)
        orders.add("".join(found.pop() for found in labels))
    assert len(orders) == 6


def test_pk_repeats_images_as_rarely_as_possible():
    sampler = PK(LABELS, num_labels=3, per_label=5)
    for step in range(30):
        for group in sampler(step).reshape(3, 5).tolist():
            counts = sorted(Counter(group).values())
            expected = {"c": [2, 3], "d": [1, 2, 2], "e": [1] * 5}
            assert counts == expected[label_of(group[0]) or ""]


def test_pk_draws_images_of_a_label_equally_often():
    sampler = PK(LABELS, num_labels=3, per_label=4)
    drawn = Counter(i for step in range(600) for i in sampler(step).tolist())
    assert not drawn.keys() & PARTNERLESS
    expected = {"c": 1200, "d": 800, "e": 300}
    for position, count in drawn.items():
        assert count == pytest.approx(expected[label_of(position) or ""], rel=0.15)


def test_one_label_is_too_few_whatever_its_number():
    with pytest.raises(InputError, match="at least two labels with two images each"):
        PK(["a", "a", "b"], num_labels=8, seed=0)
    with pytest.raises(InputError, match="Set num_labels=2 and a larger per_label"):
        PK(["a", "a", "b", "b"], num_labels=8, seed=0)


def test_pairs_match_in_turn():
    sampler = RandomPairs(LABELS, pairs=5)
    assert (sampler.batch_size, sampler.steps_per_epoch) == (10, 3)
    anchors, strangers = Counter(), Counter()
    for step in range(1000):
        for i, (first, second) in enumerate(sampler(step).reshape(5, 2).tolist()):
            anchors[first] += 1
            if i % 2 == 0:
                assert first != second and label_of(first) == label_of(second)
            else:
                assert label_of(second) not in (None, label_of(first))
                if label_of(first) == "e":
                    strangers[second] += 1
    assert set(anchors) == set(range(len(LABELS))) - PARTNERLESS
    assert max(anchors.values()) < 1.3 * min(anchors.values())
    # A label with one image cannot match, but it can differ.
    assert set(strangers) == {0, 1, 2, 4, 13, 14}
    assert max(strangers.values()) < 1.4 * min(strangers.values())


def test_triplets_hold_anchor_positive_and_negative():
    sampler = RandomTriplets(LABELS, triplets=4)
    assert (sampler.batch_size, sampler.steps_per_epoch) == (12, 4)
    positives = Counter()
    for step in range(1000):
        for anchor, positive, negative in sampler(step).reshape(4, 3).tolist():
            assert anchor != positive and label_of(anchor) == label_of(positive)
            assert label_of(negative) not in (None, label_of(anchor))
            if label_of(anchor) == "d":
                positives[anchor, positive] += 1
    assert len(positives) == 6
    assert max(positives.values()) < 1.4 * min(positives.values())


@pytest.mark.parametrize("count, batch_size", [(10, 4), (10, 5), (3, 8), (1, 2)])
def test_every_epoch_is_a_permutation(count, batch_size):
    sampler = Uniform(["x"] * count, batch_size=batch_size)
    assert sampler.steps_per_epoch == -(-count // batch_size)
    rows = np.concatenate([sampler(step) for step in range(4 * count)])
    epochs = rows[: len(rows) // count * count].reshape(-1, count)
    for epoch in epochs:
        assert sorted(epoch.tolist()) == list(range(count))
    if count == 10:
        assert len({tuple(epoch) for epoch in epochs.tolist()}) == len(epochs)


def test_uniform_leaves_out_images_without_a_label():
    sampler = Uniform(LABELS, batch_size=7)
    assert sampler.steps_per_epoch == 2
    drawn = np.concatenate([sampler(0), sampler(1)])
    assert sorted(drawn.tolist()) == [i for i, x in enumerate(LABELS) if x is not None]


GOLDEN = {
    "pk": PK(LABELS, num_labels=2, per_label=3, seed=7),
    "pairs": RandomPairs(LABELS, pairs=3, seed=7),
    "triplets": RandomTriplets(LABELS, triplets=2, seed=7),
    "uniform": Uniform(["x"] * 8, batch_size=6, seed=7),
}


@pytest.mark.parametrize(
    "name, steps",
    [
        ("pk", [[14, 13, 2, 4, 1, 1], [7, 10, 9, 4, 1, 1]]),
        ("pairs", [[12, 8, 6, 1, 1, 4], [8, 6, 9, 0, 9, 10]]),
        ("triplets", [[6, 5, 0, 13, 2, 9], [9, 11, 1, 4, 1, 13]]),
        ("uniform", [[2, 3, 4, 1, 5, 0], [6, 0, 7, 3, 2, 1]]),
    ],
)
def test_the_order_of_a_seed_never_changes(name, steps):
    assert [GOLDEN[name](step).tolist() for step in (0, 1000)] == steps


SINGLES = ["a", "b", "c"]
ONE_LABEL = ["a", "a", None]


@pytest.mark.parametrize(
    "build, message",
    [
        (lambda: PK(LABELS, num_labels=4), r"only 3 labels.*Set num_labels=3"),
        (lambda: PK(LABELS, num_labels=1), "num_labels=1 must be at least 2"),
        (lambda: PK(LABELS, num_labels=2, per_label=1), "per_label=1"),
        (lambda: PK(SINGLES, num_labels=2), "none of the 3 labels has two images"),
        (lambda: PK(ONE_LABEL, num_labels=2), "3 images have 1 labels"),
        (lambda: RandomPairs(LABELS, pairs=0), "pairs=0 must be at least 1"),
        (lambda: RandomPairs(SINGLES), "has two images"),
        (lambda: RandomPairs([None]), "1 images have 0 labels"),
        (lambda: RandomTriplets(LABELS, triplets=0), "triplets=0"),
        (lambda: RandomTriplets(ONE_LABEL), "at least two"),
        (lambda: Uniform([None]), "none of the 1 images has a label"),
        (lambda: Uniform(SINGLES, batch_size=0), "batch_size=0"),
    ],
)
def test_what_cannot_be_drawn_is_explained(build, message):
    with pytest.raises(InputError, match=message):
        build()
