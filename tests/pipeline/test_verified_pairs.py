"""Matches of pairs: what is counted, in which units, and that they are kept."""

import numpy as np
import pytest

from jaxsim.pipeline.verified_pairs import NO_MATCH, Match, VerifiedPairs, verified
from jaxsim.rerank.pairs import PairVerifier
from tests.geometry.scenes import moved
from tests.rerank.features import random_features, seen_from_elsewhere

VERIFIER = PairVerifier(model="affine", threshold_px=5.0, samples=1024)


def test_transform_and_boxes_count_from_the_border_of_the_first_pixel():
    rng = np.random.default_rng(0)
    image = random_features(rng, 80, pixel_size=2.0)
    other = seen_from_elsewhere(rng, image, 50, pixel_size=3.0)
    # So that no inlier is there by chance.
    other.points[50:] = rng.random((10, 2)) * 1e-3
    (match,) = verified(VERIFIER, [(image, other)])
    assert match.count == 50
    first, second = image.points[:50] + 0.5, other.points[:50] + 0.5
    np.testing.assert_allclose(moved(match.transform, first), second, atol=0.1)
    for box, points in zip(match.boxes, (first, second), strict=True):
        np.testing.assert_allclose(box, [*points.min(axis=0), *points.max(axis=0)])


def test_what_was_saved_is_known_again(tmp_path):
    store = VerifiedPairs.open(tmp_path / "pairs.npz")
    assert not store.known
    match = Match(
        7,
        np.arange(9, dtype=np.float32).reshape(3, 3),
        np.arange(8, dtype=np.float32).reshape(2, 4),
    )
    store.known.update({("a", "b"): match, ("a", "c"): NO_MATCH, ("c", "c"): match})
    store.save()
    again = VerifiedPairs.open(tmp_path / "pairs.npz").known
    assert set(again) == {("a", "b"), ("a", "c"), ("c", "c")}
    assert again["a", "b"].count == 7 and again["a", "c"].count == 0
    np.testing.assert_array_equal(again["c", "c"].transform, match.transform)
    np.testing.assert_array_equal(again["a", "b"].boxes, match.boxes)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"no zip"])
def test_a_damaged_file_is_as_none(tmp_path, content):
    (tmp_path / "pairs.npz").write_bytes(content)
    assert not VerifiedPairs.open(tmp_path / "pairs.npz").known
