import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.ops.similarity import inner_product


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    return (
        rng.standard_normal((7, 5)).astype(np.float32),
        rng.standard_normal((11, 5)).astype(np.float32),
    )


def test_inner_product_is_the_sum_of_products(arrays):
    queries, database = arrays
    scores = inner_product(jnp.array(queries), jnp.array(database))
    for q, n in np.ndindex(scores.shape):
        expected = sum(float(a) * float(b) for a, b in zip(queries[q], database[n]))  # noqa: B905
        assert float(scores[q, n]) == pytest.approx(expected, abs=1e-5)


def test_bfloat16_is_summed_in_float32():
    ones = jnp.ones((1, 1001), jnp.bfloat16)
    scores = inner_product(ones, ones)
    assert scores.dtype == jnp.float32
    assert float(scores[0, 0]) == 1001
