"""Pooling modules: R-MAC equals a naive loop over regions; padding never counts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.nn.features import Features
from jaxsim.nn.pooling import Gem, Mac, Rmac, Spoc, Whiten
from tests.ops.test_regions import naive_grid

GENERATOR = np.random.default_rng(0)
SIZES = [(9, 12), (12, 5), (12, 12)]
MAPS = GENERATOR.normal(size=(3, 12, 12, 5)).astype(np.float32) ** 2
VALID = jnp.array(SIZES, jnp.int32)
FEATURES = Features(jnp.asarray(MAPS), VALID)
WHITEN_PARAMETERS = {
    "bias": GENERATOR.normal(size=3).astype(np.float32),
    "projection": GENERATOR.normal(size=(5, 3)).astype(np.float32),
}


def unit(vector):
    return vector / np.linalg.norm(vector)


def naive_rmac(image, whiten=None):
    total = 0
    for y, x, side in naive_grid(*image.shape[:2], 3):
        region = unit(image[y : y + side, x : x + side].max((0, 1)))
        if whiten is not None:
            region = unit(region @ whiten["projection"] + whiten["bias"])
        total = total + region
    return total


@pytest.mark.parametrize("whiten", [None, WHITEN_PARAMETERS])
def test_rmac_equals_the_loop_over_regions(whiten):
    module = Rmac(whiten_dim=None if whiten is None else 3)
    variables = {} if whiten is None else {"params": {"whiten": whiten}}
    found = jax.jit(module.apply)(variables, FEATURES)
    expected = [
        naive_rmac(image[:h, :w], whiten)
        for image, (h, w) in zip(MAPS, SIZES, strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("module", [Spoc(), Mac(), Gem(), Rmac()])
def test_cropping_the_padding_away_changes_nothing(module):
    variables = module.init(jax.random.key(0), FEATURES)
    pool = jax.jit(module.apply)
    padded = pool(variables, FEATURES)
    for row, (height, width) in enumerate(SIZES):
        alone = Features(jnp.asarray(MAPS[row : row + 1, :height, :width]))
        np.testing.assert_allclose(pool(variables, alone)[0], padded[row], rtol=1e-5)


def test_rmac_gradient_equals_finite_differences():
    module = Rmac(whiten_dim=3)
    variables = {"params": {"whiten": WHITEN_PARAMETERS}}
    weights = GENERATOR.normal(size=(3, 3)).astype(np.float32)

    @jax.jit
    def value(maps):
        pooled = module.apply(variables, Features(maps, VALID))
        return jnp.sum(pooled * weights)

    direction = jnp.asarray(GENERATOR.normal(size=MAPS.shape), jnp.float32)
    maps = jnp.asarray(MAPS)
    slope = jnp.vdot(jax.jit(jax.grad(value))(maps), direction)
    step = 1e-3
    rise = value(maps + step * direction) - value(maps - step * direction)
    np.testing.assert_allclose(slope, rise / (2 * step), rtol=2e-2)


def test_a_tiny_map_still_has_a_descriptor():
    module = Rmac()
    found = module.apply({}, Features(jnp.ones((1, 1, 1, 4))))
    np.testing.assert_allclose(found, np.ones((1, 4)) / 2, rtol=1e-6)


def test_the_exponent_of_gem_is_learned():
    module = Gem()
    variables = module.init(jax.random.key(0), FEATURES)
    gradient = jax.grad(lambda v: module.apply(v, FEATURES).sum())(variables)
    assert variables["params"]["p"] == 3
    assert float(gradient["params"]["p"][0]) > 0


def test_unfitted_whitening_truncates():
    vectors = jnp.asarray(MAPS[0, 0])
    module = Whiten(2)
    variables = module.init(jax.random.key(0), vectors)
    np.testing.assert_array_equal(module.apply(variables, vectors), vectors[:, :2])
