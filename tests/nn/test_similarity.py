"""The similarity network: sizes, sums of parts, symmetry, formats."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.nn.similarity import SimilarityNetwork

SMALL = SimilarityNetwork(dim=6, widths=(16, 8))


def pairs(count=5, dim=6):
    rng = np.random.default_rng(0)
    return jnp.asarray(rng.standard_normal((2, count, dim)), jnp.float32)


def scaled(variables):
    """Initial values are tiny; larger ones make differences visible."""
    return jax.tree.map(lambda x: 30 * x + 0.1, variables)


def test_the_published_number_of_parameters():
    network = SimilarityNetwork()
    shapes = jax.eval_shape(
        network.init, jax.random.key(0), jnp.zeros((1, 512)), jnp.zeros((1, 512))
    )
    assert sum(x.size for x in jax.tree.leaves(shapes)) == 20_983_809


def test_scores_equal_layers_on_the_concatenated_pair():
    queries, images = pairs()
    variables = scaled(SMALL.init(jax.random.key(0), queries, images))
    params = jax.tree.map(np.asarray, variables["params"])
    first = np.concatenate(
        [params["query"]["kernel"], params["database"]["kernel"]], axis=0
    )
    x = np.concatenate(pairs(), axis=1) @ first + params["database"]["bias"]
    x = np.maximum(x, 0) @ params["hidden_0"]["kernel"] + params["hidden_0"]["bias"]
    x = np.maximum(x, 0) @ params["score"]["kernel"] + params["score"]["bias"]
    found = SMALL.apply(variables, queries, images)
    np.testing.assert_allclose(found, x[:, 0], rtol=1e-4, atol=1e-4)


def test_the_order_of_a_pair_matters_unless_symmetric():
    queries, images = pairs()
    variables = scaled(SMALL.init(jax.random.key(0), queries, images))
    forth, back = (
        SMALL.apply(variables, *pair) for pair in ((queries, images), (images, queries))
    )
    assert np.abs(forth - back).max() > 1e-3
    symmetric = SMALL.clone(symmetric=True)
    found = symmetric.apply(variables, queries, images)
    np.testing.assert_allclose(found, (forth + back) / 2, rtol=1e-5)
    np.testing.assert_allclose(
        found, symmetric.apply(variables, images, queries), rtol=1e-5
    )


def test_sums_of_bfloat16_products_stay_near_those_of_float32():
    queries, images = pairs(count=40)
    variables = scaled(SMALL.init(jax.random.key(0), queries, images))
    expected = SMALL.apply(variables, queries, images)
    found = SMALL.clone(dtype=jnp.bfloat16).apply(variables, queries, images)
    assert found.dtype == jnp.float32
    size = float(jnp.std(expected))
    np.testing.assert_allclose(found, expected, atol=0.1 * size)
    assert np.abs(found - expected).max() > 0  # so that it does what it says
