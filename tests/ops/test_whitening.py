"""Whitening: what it promises about covariances, and its errors."""

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.ops.whitening import fit_learned, fit_pca

GENERATOR = np.random.default_rng(0)
VECTORS = (GENERATOR.normal(size=(400, 6)) @ GENERATOR.normal(size=(6, 6)) + 1).astype(
    np.float32
)


def test_pca_whitened_vectors_have_identity_covariance():
    fitted = fit_pca(VECTORS, dim=6)
    white = VECTORS @ fitted.projection + fitted.bias
    np.testing.assert_allclose(white.T @ white / len(white), np.eye(6), atol=1e-3)


def test_truncation_keeps_the_directions_of_largest_variance():
    full, short = fit_pca(VECTORS, dim=6), fit_pca(VECTORS, dim=2)
    np.testing.assert_allclose(
        np.abs(full.projection[:, :2]), np.abs(short.projection), rtol=1e-5
    )
    scale = np.linalg.norm(full.projection, axis=0)
    assert (np.diff(scale) > 0).all()  # 1 / sqrt(eigenvalue) rises


def test_learned_whitening_whitens_differences_of_pairs():
    pairs = GENERATOR.integers(0, 400, size=(300, 2))
    fitted = fit_learned(VECTORS, pairs, dim=6)
    difference = (VECTORS[pairs[:, 0]] - VECTORS[pairs[:, 1]]) @ fitted.projection
    covariance = difference.T @ difference / len(pairs)
    np.testing.assert_allclose(covariance, np.eye(6), atol=1e-3)


def test_learned_whitening_orders_directions_by_variance():
    pairs = GENERATOR.integers(0, 400, size=(300, 2))
    fitted = fit_learned(VECTORS, pairs, dim=6)
    projected = VECTORS @ fitted.projection + fitted.bias
    spread = (projected**2).sum(0)
    assert (np.diff(spread) < 0).all()
    mixed = projected.T @ projected
    off_diagonal = mixed - np.diag(np.diag(mixed))
    assert np.abs(off_diagonal).max() < 1e-3 * spread.max()


def test_too_few_vectors_say_how_many_dimensions_are_possible():
    with pytest.raises(InputError, match="span only 2"):
        fit_pca(VECTORS[:3], dim=6)


def test_too_few_pairs_are_refused():
    with pytest.raises(InputError, match="at least 6 matching pairs"):
        fit_learned(VECTORS, np.zeros((2, 2), int), dim=6)


def test_identical_pairs_are_refused():
    with pytest.raises(InputError, match="do not span"):
        fit_learned(VECTORS, np.zeros((20, 2), int), dim=6)


def test_impossible_dimension_is_refused():
    with pytest.raises(InputError, match="cannot keep 7 of 6"):
        fit_pca(VECTORS, dim=7)
