"""The objective of pairs: its targets, what it reports, and steps in parts."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.nn.similarity import SimilarityNetwork
from jaxsim.parallel.mesh import make_mesh
from jaxsim.training.objectives.similarity import SimilarityObjective
from jaxsim.training.optim import sgd
from jaxsim.training.step import Recipe, compile_step

NETWORK = SimilarityNetwork(dim=6, widths=(16, 8))
KEY = jax.random.key(0)


def batch(pairs=16):
    random = np.random.default_rng(0)
    vectors = random.standard_normal((2, pairs, 6)).astype(np.float32)
    queries, images = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return {
        "queries": jnp.asarray(queries),
        "images": jnp.asarray(images),
        "matching": jnp.arange(pairs) % 2 == 0,
    }


@pytest.mark.parametrize("delta", [None, 0.2])
def test_loss_and_better_equal_a_loop(delta):
    outputs = np.random.default_rng(1).uniform(-1, 1, 16).astype(np.float32)
    data, total, better = batch(), 0.0, 0
    for q, x, match, s in zip(*map(np.asarray, data.values()), outputs, strict=True):
        cosine = float(q @ x)
        total += abs(float(s) - cosine - (delta or 0.0) * (1 if match else -1))
        better += s > cosine if match else s < cosine
    loss, metrics = SimilarityObjective(NETWORK, delta=delta).apply(
        {}, jnp.asarray(outputs), data, key=KEY, method="loss"
    )
    assert float(loss) == pytest.approx(total / 16, rel=1e-5)
    assert float(metrics["better"]) == pytest.approx(better / 16)


def test_outputs_are_the_scores_of_the_network():
    objective, data = SimilarityObjective(NETWORK, delta=0.2), batch()
    variables = objective.init(KEY, data, key=KEY)
    found = objective.apply(variables, data, train=True, method="outputs")
    expected = NETWORK.apply(
        {"params": variables["params"]["network"]}, data["queries"], data["images"]
    )
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_the_step_is_the_same_in_parts_on_several_devices():
    objective = SimilarityObjective(NETWORK, delta=0.2)
    variables = objective.init(KEY, batch(), key=KEY)

    def step(devices, micro_batch):
        recipe = Recipe(
            objective=objective,
            optimiser=sgd,
            learning_rate=0.1,
            micro_batch=micro_batch,
        )
        compiled = compile_step(recipe, make_mesh(jax.devices()[:devices]))
        state, metrics = compiled(recipe.start(variables), batch())
        return jax.device_get((state.params, metrics))

    whole = step(1, None)
    assert whole[1]["loss"] > 0 and whole[1]["gradient_norm"] > 0
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),
        step(4, 8),
        whole,
    )


@pytest.mark.parametrize("delta", [0.0, -0.2, float("nan"), float("inf")])
def test_a_delta_that_is_not_above_0_is_refused(delta):
    with pytest.raises(InputError, match="delta=.* is not a number above 0"):
        SimilarityObjective(NETWORK, delta=delta)
