import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.losses.smooth_l1 import smooth_l1


@pytest.mark.parametrize("beta", [1 / 9, 1.0])
def test_equals_the_loop(beta):
    generator = np.random.default_rng(0)
    predicted, wanted = generator.normal(size=(2, 12, 4)).astype(np.float32)
    weights = np.arange(12, dtype=np.float32) % 3
    total = 0.0
    for row in range(12):
        for d in range(4):
            x = abs(float(predicted[row, d] - wanted[row, d]))
            term = 0.5 * x * x / beta if x < beta else x - 0.5 * beta
            total += weights[row] * term
    found = smooth_l1(
        jnp.asarray(predicted), jnp.asarray(wanted), jnp.asarray(weights), beta=beta
    )
    assert found.count == weights.sum()
    np.testing.assert_allclose(found.value, total / weights.sum(), rtol=1e-5)
