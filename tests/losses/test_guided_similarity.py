"""Guided similarity separation against a loop over all pairs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.losses.guided_similarity import guided_similarity

EXAMPLE = np.array(
    [
        (0.976746, 0.214401),
        (0.972526, 0.232792),
        (-0.049413, 0.998778),
        (-0.049607, 0.998769),
    ],
    np.float32,
)


def unit(rows, dim=6, seed=0):
    vectors = np.random.default_rng(seed).standard_normal((rows, dim))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32)


def looped(vectors, beta, alpha):
    """The loss and its gradient by the rows, pair by pair in float64."""
    vectors = vectors.astype(np.float64)
    count = len(vectors)
    total, gradient = 0.0, np.zeros_like(vectors)
    for i in range(count):
        for j in range(count):
            score = float(vectors[i] @ vectors[j])
            total -= alpha / 2 * (max(score, 0.0) - beta) ** 2
            if score > 0:
                slope = -alpha * (score - beta)
                gradient[i] += slope * vectors[j]
                gradient[j] += slope * vectors[i]
    return total / count**2, gradient / count**2


@pytest.mark.parametrize("rows", [1, 7, 12])
@pytest.mark.parametrize("block", [1, 4, 512])
def test_loss_and_gradient_are_those_of_a_loop_for_every_block(rows, block):
    vectors, beta, alpha = unit(rows), 0.3, 0.7

    def loss(x):
        return guided_similarity(x, beta=beta, alpha=alpha, block_rows=block)

    value, gradient = jax.jit(jax.value_and_grad(loss))(jnp.asarray(vectors))
    expected, slope = looped(vectors, beta, alpha)
    assert value == pytest.approx(expected, rel=1e-5, abs=1e-7)
    assert loss(jnp.asarray(vectors)) == pytest.approx(expected, rel=1e-5, abs=1e-7)
    np.testing.assert_allclose(gradient, slope, atol=1e-6)


def test_the_published_example():
    assert guided_similarity(jnp.asarray(EXAMPLE), beta=0.5) == pytest.approx(
        -0.0889055, abs=1e-6
    )


def test_the_gradient_is_scaled_by_what_follows():
    vectors = jnp.asarray(unit(5))
    one = jax.grad(lambda x: guided_similarity(x, beta=0.2))(vectors)
    three = jax.grad(lambda x: 3 * guided_similarity(x, beta=0.2))(vectors)
    np.testing.assert_allclose(three, 3 * one, rtol=1e-6)


def test_beta_does_not_learn():
    vectors = jnp.asarray(unit(5))
    assert jax.grad(lambda b: guided_similarity(vectors, beta=b))(0.5) == 0


def test_half_precision_is_computed_in_float32():
    vectors = jnp.asarray(unit(9))
    half = vectors.astype(jnp.bfloat16)
    found = guided_similarity(half, beta=0.3)
    assert found.dtype == jnp.float32
    wide = half.astype(jnp.float32)
    assert found == pytest.approx(float(guided_similarity(wide, beta=0.3)), rel=1e-6)
    gradient = jax.grad(lambda x: guided_similarity(x, beta=0.3))(half)
    assert gradient.dtype == jnp.bfloat16 and np.isfinite(gradient).all()


def test_nothing():
    vectors = jnp.zeros((0, 4))
    value, gradient = jax.value_and_grad(lambda x: guided_similarity(x, beta=0.3))(
        vectors
    )
    assert value == 0 and gradient.shape == (0, 4)


def test_zero_vectors_have_gradient_zero():
    gradient = jax.grad(lambda x: guided_similarity(x, beta=0.3))(jnp.zeros((3, 2)))
    assert not gradient.any()


def test_more_pairs_than_an_int32_counts_are_traced():
    def gradient(vectors):
        return jax.grad(lambda v: guided_similarity(v, beta=0.3, alpha=1.0))(vectors)

    vectors = jax.ShapeDtypeStruct((100_000, 2), jnp.float32)
    assert jax.eval_shape(gradient, vectors).shape == (100_000, 2)
