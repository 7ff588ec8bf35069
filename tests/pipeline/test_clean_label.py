"""A label of images: pairs, interrupted verification, groups and boxes."""

import numpy as np
import pytest

from jaxsim.pipeline import clean_label
from jaxsim.pipeline.clean_label import (
    all_pairs,
    label_graph,
    ordered_by_content,
    shortlisted_pairs,
    verify_pairs,
)
from jaxsim.pipeline.verified_pairs import Match, VerifiedPairs
from jaxsim.rerank.pairs import PairVerifier
from tests.rerank.features import random_features, seen_from_elsewhere

VERIFIER = PairVerifier(model="affine", threshold_px=5.0, samples=1024)
SIZES = np.full((6, 2), [480.0, 640.0])


def test_all_pairs():
    assert all_pairs(3).tolist() == [[0, 1], [0, 2], [1, 2]]
    assert all_pairs(1).shape == all_pairs(0).shape == (0, 2)


def test_a_pair_is_shortlisted_if_one_lists_the_other():
    neighbours = np.array([[0, 2], [1, 2], [2, 0], [3, -1]])
    assert shortlisted_pairs(neighbours).tolist() == [[0, 2], [1, 2]]


def test_pairs_do_not_depend_on_the_order_of_the_images():
    pairs = ordered_by_content(all_pairs(3), ["c", "a", "b"])
    assert pairs.tolist() == [[1, 0], [2, 0], [1, 2]]
    assert ordered_by_content(all_pairs(0), []).shape == (0, 2)


def matches_of(pairs, counts):
    """Returns matches without motion, whose boxes are those of the whole thing."""
    box = np.array([100, 120, 300, 340], np.float32)
    unmoved = np.eye(3, dtype=np.float32)
    return [Match(counts.get(tuple(p), 3), unmoved, np.stack([box] * 2)) for p in pairs]


def test_the_largest_group_is_kept_with_boxes():
    pairs = all_pairs(6)
    counts = {(0, 3): 25, (3, 5): 20, (1, 2): 90, (4, 5): 19}
    graph = label_graph(
        pairs, matches_of(pairs.tolist(), counts), SIZES, min_inliers=20
    )
    assert np.flatnonzero(graph.kept).tolist() == [0, 3, 5]
    assert graph.group_size.tolist() == [3, 2, 2, 3, 1, 3]
    assert graph.most_inliers.tolist() == [25, 90, 90, 25, 19, 20]
    np.testing.assert_allclose(graph.boxes[[0, 3, 5]], [[100, 120, 300, 340]] * 3)
    np.testing.assert_allclose(graph.boxes[[1, 2, 4]], [[0, 0, 480, 640]] * 3)


def test_nothing_is_kept_if_nothing_agrees():
    pairs = all_pairs(6)
    matches = matches_of(pairs.tolist(), {})
    graph = label_graph(pairs, matches, SIZES, min_inliers=4)
    assert not graph.kept.any() and graph.most_inliers.tolist() == [3] * 6
    for images in (0, 1):
        alone = label_graph(all_pairs(images), [], SIZES[:images], min_inliers=4)
        assert alone.kept.tolist() == [False] * images
        assert alone.most_inliers.tolist() == [0] * images


def test_a_map_that_cannot_be_undone_is_no_match():
    pairs = np.array([[0, 1]])
    flat = Match(50, np.diag([1, 0, 1]).astype(np.float32), np.ones((2, 4), np.float32))
    graph = label_graph(pairs, [flat], SIZES[:2], min_inliers=4)
    assert not graph.kept.any()


def test_verification_goes_on_where_it_was_interrupted(tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    image = random_features(rng, 70)
    images = [image, *(seen_from_elsewhere(rng, image, 40) for _ in range(4))]
    contents = [f"{i}" for i in range(5)]
    pairs = all_pairs(5)
    monkeypatch.setattr(clean_label, "_AT_ONCE", 3)
    asked = []

    def features(row, *, limit):
        asked.append(row)
        if len(asked) > limit:
            raise KeyboardInterrupt
        return images[row]

    def run(path, limit):
        asked.clear()
        done = []
        matches = verify_pairs(
            pairs,
            contents=contents,
            features=lambda row: features(row, limit=limit),
            store=VerifiedPairs.open(path),
            verifier=VERIFIER,
            progress=done.append,
        )
        assert sum(done) == len(pairs)
        return matches

    at_once = run(tmp_path / "other.npz", 100)
    with pytest.raises(KeyboardInterrupt):
        # In the third group of three pairs.
        run(tmp_path / "pairs.npz", 14)
    assert len(VerifiedPairs.open(tmp_path / "pairs.npz").known) == 6
    matches = run(tmp_path / "pairs.npz", 8)
    assert len(asked) == 8  # of the four pairs that were left
    for again, first in zip(matches, at_once, strict=True):
        assert again.count == first.count >= 40
        np.testing.assert_array_equal(again.transform, first.transform)
    assert run(tmp_path / "pairs.npz", 0) and not asked
