"""Batches of pairs: cosines of synthetic ones, matches of labelled ones, parts."""

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.core.rng import rng
from jaxsim.data.pairs import DescriptorPairs, SyntheticPairs, uniform_cosine_pairs
from jaxsim.data.samplers import RandomPairs

LABELS = ["a", "a", "b", "b", "b", None, "c"]
CODES = np.array([0, 0, 1, 1, 1, -1, 2], np.int32)
VECTORS = np.random.default_rng(0).standard_normal((7, 5)).astype(np.float32)


def labelled(pairs=6, **part) -> DescriptorPairs:
    return DescriptorPairs(VECTORS, CODES, RandomPairs(LABELS, pairs=pairs), **part)


def test_synthetic_pairs_have_the_cosines_they_say():
    x, y, cosines = uniform_cosine_pairs(np.random.default_rng(0), 4000, 32)
    for vectors in (x, y):
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    np.testing.assert_allclose(np.sum(x * y, axis=1), cosines, atol=1e-6)
    counts, _ = np.histogram(cosines, bins=8, range=(-1, 1))
    # Of 500 expected, five standard deviations.
    assert np.abs(counts - 500).max() < 5 * (4000 * (1 / 8) * (7 / 8)) ** 0.5


def test_synthetic_batches_are_new_at_every_step_and_the_same_when_resumed():
    data = SyntheticPairs(8, pairs=6, seed=3)
    batches = list(data.iterate(0, 3))
    assert (batches[0]["queries"] != batches[1]["queries"]).any()
    again = next(data.iterate(2, 3))
    for name, array in again.items():
        np.testing.assert_array_equal(array, batches[2][name])
    expected = uniform_cosine_pairs(rng(3, "pairs/synthetic", 2), 6, 8)
    np.testing.assert_array_equal(again["images"], expected[1])
    assert data.records[int(again["ids"][0])].name == "synthetic pairs"


def test_half_of_the_labelled_pairs_match():
    for batch in labelled().iterate(0, 20):
        rows = batch["ids"].reshape(-1, 2)
        np.testing.assert_array_equal(batch["queries"], VECTORS[rows[:, 0]])
        np.testing.assert_array_equal(batch["images"], VECTORS[rows[:, 1]])
        expected = [LABELS[i] == LABELS[j] for i, j in rows]
        np.testing.assert_array_equal(batch["matching"], expected)
        assert batch["matching"].sum() == 3
        assert 5 not in rows  # the image without a label


def test_images_without_a_label_match_nothing():
    rows = np.array([[5, 5], [0, 1]])
    assert labelled().matching(rows).tolist() == [False, True]


@pytest.mark.parametrize(
    "make", [labelled, lambda **o: SyntheticPairs(5, pairs=6, **o)]
)
def test_the_parts_of_processes_make_up_the_batch(make):
    whole = next(make().iterate(4, 5))
    parts = [
        next(make(process_index=i, process_count=3).iterate(4, 5)) for i in range(3)
    ]
    for name in whole:
        joined = np.concatenate([part[name] for part in parts])
        np.testing.assert_array_equal(joined, whole[name])


def test_bad_input():
    with pytest.raises(InputError, match="6 pairs cannot be cut .* 4 processes"):
        SyntheticPairs(5, pairs=6, process_count=4)
    with pytest.raises(InputError, match="batch of 12 images .* 4 processes"):
        labelled(process_count=4)
