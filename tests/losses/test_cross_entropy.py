import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.losses.cross_entropy import cross_entropy

GENERATOR = np.random.default_rng(0)
LOGITS = GENERATOR.standard_normal((6, 5)).astype(np.float32)
LABELS = GENERATOR.integers(0, 5, 6).astype(np.int32)
WEIGHTS = np.array([1, 0, 2, 1, 1, 0], np.float32)


def naive(smoothing):
    total = 0.0
    for logits, label, weight in zip(LOGITS, LABELS, WEIGHTS, strict=True):
        partition = sum(math.exp(logit) for logit in logits)
        for index, logit in enumerate(logits):
            target = (1 - smoothing) * (index == label) + smoothing / len(logits)
            total -= weight * target * math.log(math.exp(logit) / partition)
    return total / WEIGHTS.sum()


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
def test_equals_the_loop(smoothing):
    arrays = map(jnp.asarray, (LOGITS, LABELS, WEIGHTS))
    found = cross_entropy(*arrays, smoothing=smoothing)
    assert float(found.value) == pytest.approx(naive(smoothing), rel=1e-5)
    assert float(found.count) == WEIGHTS.sum()


def test_large_logits_do_not_overflow():
    logits = jnp.array([[1e4, 0.0]])
    assert float(cross_entropy(logits, jnp.array([1]), jnp.ones(1)).value) == 1e4


@pytest.mark.parametrize("label", [-1, 5])
def test_images_that_do_not_count_may_have_any_label(label):
    labels = jnp.asarray(np.where(WEIGHTS > 0, LABELS, label))

    def loss(logits):
        return cross_entropy(logits, labels, jnp.asarray(WEIGHTS)).value

    value, slope = jax.value_and_grad(loss)(jnp.asarray(LOGITS))
    assert float(value) == pytest.approx(naive(0), rel=1e-5)
    assert np.isfinite(slope).all()
    assert not np.any(np.asarray(slope)[WEIGHTS == 0])
