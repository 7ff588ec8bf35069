"""Pairs of images: matches, inliers and the transform between their pixels."""

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.rerank.pairs import PairVerifier
from tests.geometry.scenes import moved
from tests.rerank.features import random_features, seen_from_elsewhere

VERIFIER = PairVerifier(samples=2048)


@pytest.mark.parametrize("model", ["homography", "affine"])
def test_shared_points_are_inliers_and_give_the_transform(model):
    rng = np.random.default_rng(0)
    image = random_features(rng, pixel_size=2.0)
    other = seen_from_elsewhere(rng, image, 40, pixel_size=3.0)
    verifier = PairVerifier(model=model, samples=2048)
    (found,) = verifier.verify([(image, other)])
    assert 40 <= found.count <= 44
    shared = found.matches[found.inlier]
    assert {(i, i) for i in range(40)} <= set(map(tuple, shared.tolist()))
    mapped = moved(found.transform, image.points[:40])
    np.testing.assert_allclose(mapped, other.points[:40], atol=0.5)


@pytest.mark.parametrize("model", ["homography", "affine"])
def test_inliers_at_one_place_count_once(model):
    rng = np.random.default_rng(1)
    image = random_features(rng, 40)
    other = seen_from_elsewhere(rng, image, 40, count=40)
    # The last ten of 40 true matches all fall on one place, in one image only.
    other.points[30:] = other.points[30] + rng.random((10, 2)) * 0.1
    image.points[30:] = (other.points[30:] - [20, 30]) / 0.8 + rng.random((10, 2)) * 3
    (found,) = PairVerifier(model=model, samples=2048).verify([(image, other)])
    assert found.inlier.sum() >= 39
    places = {(int(y // 5), int(x // 5)) for y, x in other.points[found.matches[:, 1]]}
    assert found.count <= len(places) < 34


@pytest.mark.parametrize("model", ["homography", "affine"])
def test_matches_that_all_end_on_a_spot_are_no_agreement(model):
    rng = np.random.default_rng(0)
    image = random_features(rng, 64)
    other = seen_from_elsewhere(rng, image, 64, count=64)
    other.points[:48] = [200, 300] + rng.random((48, 2)) * 6
    other.points[48:] = rng.random((16, 2)) * [480, 640]
    (found,) = PairVerifier(model=model).verify([(image, other)])
    assert len(found.matches) >= 48
    assert found.count <= 9


def test_many_pairs_equal_one_by_one():
    rng = np.random.default_rng(1)
    image = random_features(rng, 100)
    others = [
        seen_from_elsewhere(rng, image, shared, count=count)
        for shared, count in [(0, 60), (3, 3), (20, 70), (60, 200), (90, 90)] * 4
    ]
    pairs = [(image, other) for other in others]
    together = VERIFIER.verify(pairs)
    for row in range(0, len(pairs), 3):
        (alone,) = VERIFIER.verify(pairs[row : row + 1])
        assert alone.count == together[row].count
        np.testing.assert_array_equal(alone.matches, together[row].matches)
        np.testing.assert_array_equal(alone.inlier, together[row].inlier)
        np.testing.assert_array_equal(alone.transform, together[row].transform)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_images_with_few_points_have_nothing_in_common(count):
    rng = np.random.default_rng(2)
    image, few = random_features(rng), random_features(rng, count)
    for found in VERIFIER.verify([(image, few), (few, image), (few, few)]):
        assert found.count == 0
        assert not found.transform.any()
        assert found.inlier.shape == (len(found.matches),)
    assert VERIFIER.verify([]) == []


def test_points_without_gradients_match_nothing():
    rng = np.random.default_rng(3)
    image = random_features(rng)
    image.sift[:30] = 0
    (found,) = VERIFIER.verify([(image, image)])
    assert found.matches[:, 0].min() == 30


@pytest.mark.parametrize(
    "options",
    [
        {"threshold_px": 0.0},
        {"ratio": 0.0},
        {"ratio": 1.1},
        {"samples": 0},
        {"seed": -1},
    ],
)
def test_options_out_of_range(options):
    with pytest.raises(InputError, match="verification needs"):
        PairVerifier(**options)
