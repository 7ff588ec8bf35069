from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.ops import similarity
from jaxsim.ops.similarity import inner_product, search_scores


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


@pytest.mark.parametrize("queries", [1, 32])
def test_scores_of_a_search_are_sums_of_products(queries):
    rng = np.random.default_rng(0)
    rows, asked = (rng.standard_normal((n, 300), np.float32) for n in (64, queries))
    expected = rows.astype(np.float64) @ asked.T
    found = search_scores(jnp.asarray(rows), jnp.asarray(asked))
    np.testing.assert_allclose(found, expected, atol=3e-5)  # TF32 alone errs by 5e-3.


@pytest.mark.parametrize(("queries", "products"), [(1, 0), (15, 0), (16, 3), (256, 3)])
def test_many_queries_are_three_products_on_tensor_cores(
    monkeypatch, queries, products
):
    monkeypatch.setattr(similarity, "_has_tf32", lambda: True)
    rows, asked = jnp.zeros((512, 8)), jnp.zeros((queries, 8))
    lowered = (
        jax.jit(search_scores).trace(rows, asked).lower(lowering_platforms=("cuda",))
    )
    told = "num_primitive_operations = 3" in lowered.as_text()
    assert told == (products == 3)
    # What runs on the processor beside such a GPU must not ask for its cores.
    np.testing.assert_array_equal(search_scores(rows, asked), 0)


@pytest.mark.parametrize(
    ("capability", "expected"),
    [("7.5", False), ("8.0", True), ("9.0", True), ("12.0", True), ("gfx942", False)],
)
def test_tensor_cores_are_known_by_their_capability(monkeypatch, capability, expected):
    device = SimpleNamespace(compute_capability=capability)
    monkeypatch.setattr(jax, "devices", lambda: [device])
    assert similarity._has_tf32.__wrapped__() == expected


def test_other_devices_have_no_tf32(monkeypatch):
    monkeypatch.setattr(jax, "devices", lambda: [SimpleNamespace()])
    assert not similarity._has_tf32.__wrapped__()
