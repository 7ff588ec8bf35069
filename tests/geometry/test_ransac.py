"""RANSAC on scenes whose transform and inliers are known."""

import jax
import numpy as np
import pytest

from jaxsim.geometry.ransac import SAMPLE_SIZES, ransac
from jaxsim.parallel.mesh import batch_sharding, make_mesh
from tests.geometry.scenes import TRANSFORMS, moved, points, scene

MODELS = list(TRANSFORMS)
SAMPLES = 4096


BATCH = 8  # of most calls, since every other shape is compiled anew


def padded(scenes, size):
    """Returns source, target and valid of several scenes [(source, target), ...]."""
    source = np.zeros((len(scenes), size, 2), np.float32)
    target = np.zeros_like(source)
    valid = np.zeros(source.shape[:2], bool)
    for row, (a, b) in enumerate(scenes):
        source[row, : len(a)], target[row, : len(a)] = a, b
        valid[row, : len(a)] = True
    return source, target, valid


def estimate(model, scenes, *, size=64, batch=BATCH, **options):
    nothing = np.zeros((0, 2), np.float32)
    filled = [*scenes, *[(nothing, nothing)] * (batch - len(scenes))]
    options = {"samples": SAMPLES, "threshold": 3.0, "seed": 0} | options
    return ransac(*padded(filled, size), model=model, **options)


@pytest.mark.parametrize("model", MODELS)
def test_noise_free_matches_give_the_transform_back(model):
    rng = np.random.default_rng(0)
    source, target, _ = scene(rng, model, inliers=40)
    found = estimate(model, [(source, target)])
    assert found.count[0] == 40
    fresh = points(rng, 50)
    apart = moved(np.asarray(found.transform[0]), fresh) - moved(
        TRANSFORMS[model], fresh
    )
    assert np.abs(apart).max() < 0.05


@pytest.mark.parametrize("model", MODELS)
def test_outliers_are_told_from_noisy_inliers(model):
    rng = np.random.default_rng(1)
    scenes, true = [], []
    for _ in range(8):
        source, target, inlier = scene(
            rng, model, inliers=30, outliers=30, noise_px=0.5
        )
        scenes.append((source, target))
        true.append(inlier)
    found = estimate(model, scenes)
    for row, (source, target) in enumerate(scenes):
        inlier = np.asarray(found.inlier[row, :60])
        assert inlier[true[row]].all()
        # By chance an outlier may lie where the transform sends it.
        assert inlier.sum() <= 32
        # A loop over the matches agrees on who is an inlier.
        mapped = moved(np.asarray(found.transform[row]), source)
        apart = np.hypot(*(mapped - target).T)
        clear = np.abs(apart - 3) > 1e-2
        np.testing.assert_array_equal(inlier[clear], (apart <= 3)[clear])
        corners = np.array([[100, 100], [380, 540]], np.float32)
        error = moved(np.asarray(found.transform[row]), corners) - moved(
            TRANSFORMS[model], corners
        )
        assert np.abs(error).max() < 2
    np.testing.assert_array_equal(found.count, found.inlier.sum(axis=1))


@pytest.mark.parametrize("model", MODELS)
def test_a_batch_equals_one_by_one_and_repeats(model):
    rng = np.random.default_rng(2)
    scenes = [
        scene(rng, model, inliers=n, outliers=40 - n, noise_px=1.0)[:2]
        for n in (0, 6, 12, 25)
    ]
    together = estimate(model, scenes)
    for row, one in enumerate(scenes):
        alone = estimate(model, [one], batch=1)
        assert int(alone.count[0]) == int(together.count[row])
        np.testing.assert_array_equal(alone.inlier[0], together.inlier[row])
    again = estimate(model, scenes)
    for a, b in zip(together, again, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("model", MODELS)
def test_filling_changes_nothing(model):
    rng = np.random.default_rng(3)
    scenes = [scene(rng, model, inliers=15, outliers=15, noise_px=0.5)[:2]]
    narrow, wide = estimate(model, scenes, size=30), estimate(model, scenes)
    np.testing.assert_array_equal(narrow.inlier, wide.inlier[:, :30])
    assert not wide.inlier[:, 30:].any()
    assert not wide.inlier[1:].any() and not np.any(wide.transform[1:])
    # Filling may stand anywhere, and be anything finite.
    source, target, valid = padded(scenes * BATCH, 64)
    place = np.sort(rng.permutation(64)[:30])
    spread = [np.full_like(source, 100), np.full_like(target, 100)]
    spread[0][:, place], spread[1][:, place] = source[:, :30], target[:, :30]
    mask = np.zeros_like(valid)
    mask[:, place] = True
    found = ransac(*spread, mask, model=model, threshold=3.0, samples=SAMPLES, seed=0)
    np.testing.assert_array_equal(found.inlier[0, place], narrow.inlier[0])
    assert int(found.count[0]) == int(narrow.count[0])


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("matches", range(5))
def test_few_matches(model, matches):
    rng = np.random.default_rng(4)
    corners = np.array([[10, 10], [10, 400], [300, 410], [290, 20]], np.float32)
    source = corners[:matches]
    target = moved(TRANSFORMS[model], source)
    found = estimate(model, [(source, target), (points(rng, 9), points(rng, 9))])
    enough = matches >= SAMPLE_SIZES[model]
    assert int(found.count[0]) == matches * enough
    assert bool(np.any(found.transform[0])) == enough
    assert np.isfinite(found.transform).all()


@pytest.mark.parametrize("model", MODELS)
def test_matches_that_determine_nothing_have_no_inliers(model):
    same = np.full((20, 2), 50, np.float32)
    line = np.stack([np.arange(20), 2 * np.arange(20)], axis=1).astype(np.float32)
    spread = points(np.random.default_rng(5), 20)
    turned_over = spread * [1, -1] + [0, 640]
    scenes = [
        (same, same),
        (line, line),
        (spread, same),
        (same, spread),
        (spread[:4], turned_over[:4].astype(np.float32)),
    ]
    found = estimate(model, scenes)
    if model == "homography":
        assert not found.count.any()
        assert not np.any(found.transform)
    else:
        # Three of four points may turn the same way by chance of the random scene.
        assert not found.count[:4].any()
    assert np.isfinite(found.transform).all()


def test_the_seed_chooses_the_samples():
    rng = np.random.default_rng(6)
    noise = [(points(rng, 60), points(rng, 60)) for _ in range(8)]
    one, other = (estimate("homography", noise, seed=seed) for seed in (0, 1))
    assert np.any(one.inlier != other.inlier)


def test_eight_devices_equal_one():
    rng = np.random.default_rng(7)
    scenes = [
        scene(rng, "affine", inliers=20, outliers=20, noise_px=0.5)[:2]
        for _ in range(8)
    ]
    one = estimate("affine", scenes)
    layout = batch_sharding(make_mesh())
    assert layout.mesh.size == 8
    arrays = [jax.device_put(x, layout) for x in padded(scenes, 64)]
    split = ransac(*arrays, model="affine", threshold=3.0, samples=SAMPLES)
    np.testing.assert_array_equal(one.inlier, split.inlier)
