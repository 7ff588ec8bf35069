import math

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.losses.log_loss import log_loss


def test_equals_the_loop():
    generator = np.random.default_rng(0)
    logits = generator.normal(size=12).astype(np.float32)
    positive = np.arange(12) % 3 == 0
    weights = np.arange(12, dtype=np.float32) % 4
    total = 0.0
    for logit, shows, weight in zip(logits, positive, weights, strict=True):
        probability = 1 / (1 + math.exp(-logit))
        total -= weight * math.log(probability if shows else 1 - probability)
    found = log_loss(*map(jnp.asarray, (logits, positive, weights)))
    np.testing.assert_allclose(found.value, total / weights.sum(), rtol=1e-5)


def test_extreme_logits_stay_finite():
    logits, positive = jnp.array([1e4, -1e4]), jnp.array([False, True])
    value, slope = jax.value_and_grad(
        lambda logits: log_loss(logits, positive, jnp.ones(2)).value
    )(logits)
    assert value == 1e4 and slope.tolist() == [0.5, -0.5]
