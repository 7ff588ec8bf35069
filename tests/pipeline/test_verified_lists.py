"""Lists by inliers: their order, what is stored, and work that was killed."""

import numpy as np
import pytest

from jaxsim.core.files import content_hash
from jaxsim.pipeline.pair_counts import PairCounts
from jaxsim.pipeline.verified_lists import (
    count_inliers,
    listed_pairs,
    ordered_by_inliers,
)
from jaxsim.rerank.pairs import PairVerifier
from tests.rerank.features import random_features, seen_from_elsewhere

RNG = np.random.default_rng(0)
IMAGES = [random_features(RNG) for _ in range(6)]
IMAGES[4] = seen_from_elsewhere(RNG, IMAGES[0], 40)
IMAGES[5] = seen_from_elsewhere(RNG, IMAGES[0], 25)
CONTENTS = [content_hash(bytes([i])) for i in range(6)]
VERIFIER = PairVerifier(samples=2048)
LISTS = np.array([[1, 5, 4, 2], [3, 2, -1, -1]], np.int32)
OWNERS = np.array([0, 1])


def counted(folder, pairs, **options):
    return count_inliers(
        pairs,
        contents=CONTENTS,
        features=options.pop("features", IMAGES.__getitem__),
        store=PairCounts(folder),
        verifier=VERIFIER,
        **options,
    )


def test_lists_go_by_inliers_and_ties_stay():
    pairs = listed_pairs(OWNERS, LISTS)
    assert pairs.tolist() == [[0, 1], [0, 5], [0, 4], [0, 2], [1, 3], [1, 2]]
    ids, inliers = ordered_by_inliers(LISTS, np.array([3, 25, 40, 3, 0, 0]))
    assert ids.tolist() == [[4, 5, 1, 2], [3, 2, -1, -1]]
    assert inliers.tolist() == [[40, 25, 3, 3], [0, 0, -1, -1]]


def test_counts_are_those_of_the_verifier(tmp_path):
    pairs = listed_pairs(OWNERS, LISTS)
    done = []
    found = counted(tmp_path, pairs, progress=done.append)
    expected = [
        VERIFIER.verify([(IMAGES[i], IMAGES[j])])[0].count for i, j in pairs.tolist()
    ]
    assert found.tolist() == expected and sum(done) == len(pairs)
    assert found[2] >= 35 and found[1] >= 20 and max(found[[0, 3, 4, 5]]) < 15


def test_what_was_counted_is_not_counted_again(tmp_path):
    pairs = listed_pairs(OWNERS, LISTS)
    first = counted(tmp_path, pairs)

    def refuse(row):
        raise AssertionError(f"image {row} is looked at again")

    np.testing.assert_array_equal(counted(tmp_path, pairs, features=refuse), first)


def test_contents_are_converted_once_however_many_pairs_there_are(
    tmp_path, monkeypatch
):
    monkeypatch.setattr("jaxsim.pipeline.verified_lists._AT_ONCE", 2)
    walks = []

    class Counted(list):
        def __iter__(self):
            walks.append(1)
            return super().__iter__()

    pairs = listed_pairs(OWNERS, LISTS)
    expected = counted(tmp_path / "expected", pairs)
    found = count_inliers(
        pairs,
        contents=Counted(CONTENTS),
        features=IMAGES.__getitem__,
        store=PairCounts(tmp_path / "found"),
        verifier=VERIFIER,
    )
    np.testing.assert_array_equal(found, expected)
    assert len(walks) == 1


def test_killed_work_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr("jaxsim.pipeline.verified_lists._AT_ONCE", 2)
    monkeypatch.setattr("jaxsim.pipeline.pair_counts._SAVE_EVERY_S", -1.0)
    pairs, looked_at = listed_pairs(OWNERS, LISTS), []

    def features(row):
        looked_at.append(row)
        if len(looked_at) == 11:
            raise KeyboardInterrupt
        return IMAGES[row]

    with pytest.raises(KeyboardInterrupt):
        counted(tmp_path, pairs, features=features)
    # Two blocks are whole; the third is not there.
    assert len(list(tmp_path.glob("*.npy"))) == 2
    looked_at.clear()
    whole = counted(tmp_path / "other", pairs)
    done = []
    found = counted(tmp_path, pairs, features=features, progress=done.append)
    assert len(looked_at) == 4 and done[0] == 4
    np.testing.assert_array_equal(found, whole)


def test_a_damaged_block_is_counted_again(tmp_path, caplog):
    pairs = listed_pairs(OWNERS, LISTS)
    first = counted(tmp_path, pairs)
    block = next(tmp_path.glob("*.npy"))
    block.write_bytes(block.read_bytes()[:-9])
    np.testing.assert_array_equal(counted(tmp_path, pairs), first)
    assert "verified again" in caplog.text


def test_images_that_cannot_be_read_now_count_nothing_and_are_tried_later(tmp_path):
    pairs = listed_pairs(OWNERS, LISTS)
    found = counted(tmp_path, pairs, without={4})
    assert found[2] == 0 and found[1] >= 20
    assert counted(tmp_path, pairs)[2] >= 35
