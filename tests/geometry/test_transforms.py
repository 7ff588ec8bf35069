"""Transforms from samples and by least squares, against known ones and loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.geometry.affine import affine_from_sample, fit_affine
from jaxsim.geometry.homography import fit_homography, homography_from_sample
from jaxsim.geometry.ransac import SAMPLE_SIZES
from jaxsim.geometry.transforms import (
    normalisation,
    normalised,
    squared_transfer_error,
)
from tests.geometry.scenes import AFFINE, HOMOGRAPHY, TRANSFORMS, moved, points

# Compiled, since they are used so; the last test asks whether that matters.
MODELS = {"homography": fit_homography, "affine": fit_affine}
FITS = {model: jax.jit(fit) for model, fit in MODELS.items()}
SAMPLES = {
    "homography": jax.jit(homography_from_sample),
    "affine": jax.jit(affine_from_sample),
}
normalise = jax.jit(normalisation)
transfer_error = jax.jit(squared_transfer_error)
SQUARE = np.array([[0, 0], [0, 1], [1, 1], [1, 0]], np.float32) * 2 - 1


def same_transform(found, expected, **tolerance):
    np.testing.assert_allclose(found, expected / expected[2, 2], **tolerance)


def by_dlt(source, target):
    """The homography by the singular vectors of all equations, in float64."""
    rows = []
    for (y, x), (v, u) in zip(source.astype(float), target.astype(float), strict=True):
        rows += [[y, x, 1, 0, 0, 0, -v * y, -v * x, -v]]
        rows += [[0, 0, 0, y, x, 1, -u * y, -u * x, -u]]
    smallest = np.linalg.svd(np.array(rows))[2][-1].reshape(3, 3)
    return smallest / smallest[2, 2]


def test_transfer_error_equals_a_loop():
    rng = np.random.default_rng(0)
    source, target = points(rng, 20), points(rng, 20)
    found = transfer_error(HOMOGRAPHY.astype(np.float32), source, target)
    apart = moved(HOMOGRAPHY, source).astype(np.float64) - target
    np.testing.assert_allclose(found, (apart**2).sum(axis=1), rtol=1e-4)


def test_what_lies_behind_the_horizon_is_infinitely_far():
    behind = np.array([[1, 0, 0], [0, 1, 0], [0, 0, -1]], np.float32)
    here = np.zeros((1, 2), np.float32)
    assert np.isinf(transfer_error(behind, here, here)).all()
    nothing = np.zeros((3, 3), np.float32)
    assert np.isinf(transfer_error(nothing, here, here)).all()


def test_normalised_points_are_centred_with_mean_square_one():
    rng = np.random.default_rng(0)
    given = points(rng, 30)
    valid = np.arange(30) < 20
    by = normalise(given, valid)
    found = np.asarray(normalised(jnp.asarray(given), by))[valid]
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-5)
    assert np.mean(found**2) == pytest.approx(1, rel=1e-5)
    np.testing.assert_allclose(moved(by, given[valid]), found, atol=1e-5)


@pytest.mark.parametrize("valid", [0, 1])
def test_few_points_are_not_scaled(valid):
    by = normalise(np.full((3, 2), 7, np.float32), np.arange(3) < valid)
    assert np.isfinite(by).all()
    assert by[0, 0] == 1


def test_three_matches_give_the_affine_map():
    rng = np.random.default_rng(1)
    for _ in range(20):
        linear = np.eye(3) + 0.3 * rng.standard_normal((3, 3))
        linear[2] = 0, 0, 1
        if np.linalg.det(linear) < 0.1:
            continue
        corners = SQUARE[:3]
        found, usable = SAMPLES["affine"](corners, moved(linear, corners))
        assert usable
        np.testing.assert_allclose(found, linear, atol=1e-4)


def test_four_matches_give_the_homography():
    rng = np.random.default_rng(2)
    for _ in range(20):
        expected = np.eye(3) + 0.15 * rng.standard_normal((3, 3))
        corners = SQUARE + 0.2 * rng.standard_normal(SQUARE.shape).astype(np.float32)
        target = moved(expected, corners)
        found, usable = SAMPLES["homography"](corners, target)
        assert usable
        assert found[2, 2] > 0
        same_transform(np.asarray(found) / found[2, 2], expected, atol=1e-3)
        same_transform(
            np.asarray(found) / found[2, 2], by_dlt(corners, target), atol=1e-3
        )


@pytest.mark.parametrize("model", MODELS)
def test_degenerate_samples_are_rejected(model):
    sample, good = SAMPLES[model], SQUARE[: SAMPLE_SIZES[model]]
    one_point_twice, line, turned_over = good.copy(), good.copy(), good[:, ::-1].copy()
    one_point_twice[1] = one_point_twice[0]
    line[:3] = [[0, 0], [1, 1], [2, 2]]
    for bad in (one_point_twice, line, turned_over):
        for source, target in ((good, bad), (bad, good)):
            found, usable = sample(source, target)
            assert not usable
            assert not np.any(found)
    assert sample(good, good)[1]


@pytest.mark.parametrize("model", MODELS)
def test_all_inliers_give_the_transform_back(model):
    rng = np.random.default_rng(3)
    source = points(rng, 60)
    target = moved(TRANSFORMS[model], source)
    chosen = np.arange(60) < 40
    target[~chosen] = 0  # must not count
    found = np.asarray(FITS[model](source, target, chosen))
    apart = moved(found, source[chosen]) - target[chosen]
    assert np.abs(apart).max() < 0.02


def test_affine_fit_is_the_least_squares_solution():
    rng = np.random.default_rng(4)
    source = points(rng, 30)
    target = moved(AFFINE, source) + rng.standard_normal((30, 2)).astype(np.float32)
    wide = np.concatenate([source, np.ones((30, 1))], axis=1).astype(np.float64)
    expected = np.linalg.lstsq(wide, target.astype(np.float64), rcond=None)[0].T
    found = np.asarray(FITS["affine"](source, target, np.ones(30, bool)))
    np.testing.assert_allclose(found[:2, :2], expected[:, :2], atol=1e-4)
    np.testing.assert_allclose(found[:2, 2], expected[:, 2], atol=1e-2)
    np.testing.assert_allclose(found[2], [0, 0, 1], atol=1e-6)


def test_homography_fit_equals_singular_vectors():
    rng = np.random.default_rng(5)
    source = points(rng, 30)
    target = moved(HOMOGRAPHY, source) + rng.standard_normal((30, 2)).astype(np.float32)
    chosen = np.ones(30, bool)
    before = np.asarray(normalise(source, chosen), np.float64)
    after = np.asarray(normalise(target, chosen), np.float64)
    inner = by_dlt(moved(before, source), moved(after, target))
    expected = np.linalg.inv(after) @ inner @ before
    found = np.asarray(FITS["homography"](source, target, chosen))
    apart = moved(found, source) - moved(expected, source)
    assert np.abs(apart).max() < 0.02


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_points_give_zeros(model, count):
    rng = np.random.default_rng(6)
    source, target = points(rng, 5), points(rng, 5)
    assert not np.any(FITS[model](source, target, np.arange(5) < count))


@pytest.mark.parametrize("model", MODELS)
def test_points_on_a_line_or_all_the_same_give_finite_numbers(model):
    line = np.stack([np.arange(6), 2 * np.arange(6)], axis=1).astype(np.float32)
    for source in (line, np.ones_like(line)):
        assert np.isfinite(FITS[model](source, source, np.ones(6, bool))).all()


@pytest.mark.parametrize("model", MODELS)
def test_jit_equals_eager(model):
    rng = np.random.default_rng(7)
    source = points(rng, 12)
    target = moved(TRANSFORMS[model], source)
    chosen = np.arange(12) < 10
    arrays = [jnp.asarray(x) for x in (source, target, chosen)]
    eager, compiled = (
        np.asarray(MODELS[model](*arrays)),
        np.asarray(FITS[model](*arrays)),
    )
    np.testing.assert_allclose(moved(compiled, source), moved(eager, source), atol=0.02)
