"""Unit vectors and pixel scaling."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.ops.normalise import l2_normalise, normalise_pixels


def test_vectors_get_length_one_and_zero_stays_zero():
    vectors = jnp.array([[3.0, 4.0], [0.0, 0.0], [1e-6, 0.0]])
    expected = [[0.6, 0.8], [0.0, 0.0], [1.0, 0.0]]
    np.testing.assert_allclose(l2_normalise(vectors), expected, rtol=1e-6)


def test_gradient_at_zero_is_finite():
    gradient = jax.grad(lambda v: l2_normalise(v).sum())(jnp.zeros((2, 3)))
    assert np.isfinite(gradient).all()


def test_pixels_are_scaled_per_channel():
    images = jnp.full((1, 2, 2, 3), 255, jnp.uint8)
    scaled = normalise_pixels(images, mean=(127.0, 55.0, 5.0), std=(128.0, 100.0, 50.0))
    np.testing.assert_allclose(scaled[0, 0, 0], [1, 2, 5])
