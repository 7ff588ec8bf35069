"""Optimisers against PyTorch's numbers; groups, freezing and averages by hand."""

from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax.traverse_util import flatten_dict, unflatten_dict

from jaxsim.core.errors import InputError
from jaxsim.training.optim import (
    Group,
    adam,
    adamw,
    build_optimiser,
    ema_update,
    frozen_paths,
    kernels,
    merge,
    sgd,
    split,
)
from jaxsim.training.schedules import step_decay

GOLDEN = Path(__file__).parents[1] / "golden" / "optimisers.npz"
STEPS = 50
PARAMS = {
    "network": {
        "backbone": {"conv": {"kernel": jnp.ones((2, 3)), "bias": jnp.ones(3)}},
        "neck": {"kernel": jnp.ones((3, 3))},
    },
    "head": {"kernel": jnp.ones((3, 2)), "scale": jnp.ones(())},
}


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as stored:
        return dict(stored)


def tree_of(golden, name):
    flat = {
        k.removeprefix(f"{name}/"): v
        for k, v in golden.items()
        if k.startswith(f"{name}/")
    }
    return unflatten_dict(jax.tree.map(jnp.asarray, flat), sep="/")


def trained(golden, optimiser):
    def loss(params):
        hidden, output = params["hidden"], params["output"]
        x = jnp.tanh(golden["inputs"] @ hidden["kernel"] + hidden["bias"][None])
        return jnp.mean(
            (x @ output["kernel"] + output["bias"][None] - golden["targets"]) ** 2
        )

    @jax.jit
    def step(params, state):
        updates, state = optimiser.update(jax.grad(loss)(params), state, params)
        return optax.apply_updates(params, updates), state

    params = tree_of(golden, "initial")
    state = optimiser.init(params)
    for _ in range(STEPS):
        params, state = step(params, state)
    return params


@pytest.mark.parametrize(
    ("name", "optimiser"),
    [
        ("sgd", sgd(0.05, weight_decay=1e-4)),
        ("adam", adam(0.01, weight_decay=1e-4)),
        ("adamw", adamw(0.01, weight_decay=0.1)),
        ("sgd_clipped", build_optimiser(sgd(0.05, nesterov=False), clip=0.1)),
    ],
)
def test_fifty_steps_end_where_pytorch_ends(golden, name, optimiser):
    found = flatten_dict(trained(golden, optimiser), sep="/")
    for path, expected in flatten_dict(tree_of(golden, name), sep="/").items():
        moved = np.abs(expected - golden[f"initial/{path}"]).max()
        assert moved > 1e-3, path
        np.testing.assert_allclose(found[path], expected, rtol=1e-5, atol=1e-5)


def test_the_rate_follows_the_schedule():
    optimiser = sgd(step_decay(1.0, every=2, factor=0.5), momentum=0.0)
    state = optimiser.init(jnp.zeros(1))
    steps = []
    for _ in range(5):
        update, state = optimiser.update(jnp.ones(1), state)
        steps.append(float(update[0]))
    assert steps == [-1.0, -1.0, -0.5, -0.5, -0.25]


@pytest.mark.parametrize("make", [sgd, adam, adamw])
def test_masked_decay_reaches_kernels_only(make):
    optimiser = make(0.1, weight_decay=0.1, decay_mask=kernels)
    gradients = jax.tree.map(jnp.zeros_like, PARAMS)
    updates, _ = optimiser.update(gradients, optimiser.init(PARAMS), PARAMS)
    for path, update in flatten_dict(updates, sep="/").items():
        assert bool((update < 0).all()) == path.endswith("kernel"), path


def test_sgd_by_hand():
    """Two steps on two parameters, with every term written out."""
    rate, mu, decay = 0.1, 0.5, 0.01
    gradients = [[1.0, -2.0], [0.5, 4.0]]
    params, velocity = [3.0, -1.0], [0.0, 0.0]
    optimiser = sgd(rate, momentum=mu, weight_decay=decay)
    found = jnp.array(params)
    state = optimiser.init(found)
    for row in gradients:
        for i, gradient in enumerate(row):
            g = gradient + decay * params[i]
            velocity[i] = mu * velocity[i] + g
            params[i] -= rate * (g + mu * velocity[i])
        update, state = optimiser.update(jnp.array(row), state, found)
        found = optax.apply_updates(found, update)
    np.testing.assert_allclose(found, params, rtol=1e-6)


def test_clipping_scales_all_gradients_by_their_common_norm():
    gradients = {"a": jnp.array([3.0, 0.0]), "b": jnp.array([[4.0]])}
    for clip, factor in ((1.0, 0.2), (10.0, 1.0)):
        optimiser = build_optimiser(sgd(1.0, momentum=0.0), clip=clip)
        update, _ = optimiser.update(gradients, optimiser.init(gradients))
        np.testing.assert_allclose(update["a"], [-3 * factor, 0], rtol=1e-6)
        np.testing.assert_allclose(update["b"], [[-4 * factor]], rtol=1e-6)


@pytest.mark.parametrize("clip", [0.0, -1.0, float("nan")])
def test_clipping_to_nothing_is_refused(clip):
    with pytest.raises(InputError, match="norm above 0"):
        build_optimiser(sgd(1.0), clip=clip)


def test_rates_of_groups_multiply_updates_and_the_first_match_wins():
    groups = [
        Group("network/backbone/*/bias", 0.5),
        Group("network/backbone/*", 0.1),
        Group("head/*", 0.0),
    ]
    optimiser = build_optimiser(sgd(1.0, momentum=0.0), groups)
    gradients = jax.tree.map(jnp.ones_like, PARAMS)
    updates, _ = jax.jit(optimiser.update)(gradients, optimiser.init(PARAMS))
    found = {k: float(-v.ravel()[0]) for k, v in flatten_dict(updates, sep="/").items()}
    assert found == pytest.approx(
        {
            "network/backbone/conv/bias": 0.5,
            "network/backbone/conv/kernel": 0.1,
            "network/neck/kernel": 1.0,
            "head/kernel": 0.0,
            "head/scale": 0.0,
        }
    )


def test_splitting_and_merging_are_exact():
    groups = [Group("network/backbone/*", 0.0), Group("head/*", 2.0)]
    params = PARAMS | {"empty": {}}
    trainable, frozen = split(params, groups)
    assert frozen_paths(params, groups) == (
        "network/backbone/conv/kernel",
        "network/backbone/conv/bias",
    )
    assert set(flatten_dict(trainable, sep="/")) == {
        "network/neck/kernel",
        "head/kernel",
        "head/scale",
    }
    assert merge(trainable, frozen) == params
    assert jax.tree.structure(merge(trainable, frozen)) == jax.tree.structure(params)


def test_no_gradient_and_no_optimiser_state_for_what_is_frozen():
    groups = [Group("network/*", 0.0)]
    trainable, frozen = split(PARAMS, groups)
    optimiser = build_optimiser(sgd(0.1), groups)
    state = optimiser.init(trainable)

    def loss(trainable):
        return sum(leaf.sum() for leaf in jax.tree.leaves(merge(trainable, frozen)))

    gradients = jax.grad(loss)(trainable)
    assert set(flatten_dict(gradients, sep="/")) == {"head/kernel", "head/scale"}
    assert [leaf.shape for leaf in jax.tree.leaves(state)] == [(3, 2), ()]
    updates, _ = optimiser.update(gradients, state, trainable)
    following = merge(optax.apply_updates(trainable, updates), frozen)
    assert following["network"]["neck"]["kernel"] is PARAMS["network"]["neck"]["kernel"]
    assert float(following["head"]["scale"]) == pytest.approx(1 - 0.1 * 1.9)


def test_shapes_can_be_split_before_arrays_exist():
    shapes = jax.eval_shape(lambda: PARAMS)
    trainable, frozen = split(shapes, [Group("head/*", 0.0)])
    assert frozen["head"]["kernel"].shape == (3, 2)
    assert "head" not in trainable


def test_a_pattern_that_matches_nothing_names_known_paths():
    with pytest.raises(
        InputError, match="'backbone/\\*' matches no parameter"
    ) as found:
        split(PARAMS, [Group("backbone/*", 0.0)])
    assert "network/backbone/conv/kernel" in str(found.value)


def test_a_pattern_hidden_by_earlier_ones_is_refused():
    with pytest.raises(InputError, match="'head/scale' has no effect"):
        split(PARAMS, [Group("head/*", 0.1), Group("head/scale", 0.0)])


def test_freezing_everything_is_refused():
    with pytest.raises(InputError, match="no parameter is left to train"):
        split(PARAMS, [Group("*", 0.0)])


@pytest.mark.parametrize("rate", [-0.1, float("nan"), float("inf")])
def test_impossible_rates_are_refused(rate):
    with pytest.raises(InputError, match="give a number"):
        Group("*", rate)


def test_one_parameter_in_both_parts_is_refused():
    with pytest.raises(InputError, match="'head/kernel' is both"):
        merge(PARAMS, {"head": {"kernel": jnp.ones(1)}})


def test_average_of_weights_by_hand():
    average, expected = {"w": jnp.float32(1.0)}, 1.0
    for value in (2.0, -3.0, 0.5):
        expected = 0.9 * expected + (1 - 0.9) * value
        average = ema_update(average, {"w": jnp.float32(value)}, decay=0.9)
    assert float(average["w"]) == pytest.approx(expected, rel=1e-6)


def test_average_keeps_its_own_precision():
    average = ema_update(jnp.ones(2), jnp.ones(2, jnp.bfloat16), decay=0.5)
    assert average.dtype == jnp.float32


@pytest.mark.parametrize(
    "optimiser, option",
    [
        (sgd, {"momentum": 1.0}),
        (sgd, {"weight_decay": -0.1}),
        (adam, {"b1": 1.0}),
        (adam, {"b2": -0.1}),
        (adamw, {"eps": 0.0}),
        (adamw, {"weight_decay": float("inf")}),
    ],
)
def test_options_out_of_range(optimiser, option):
    ((name, value),) = option.items()
    with pytest.raises(InputError, match=f"{name}={value} is not"):
        optimiser(0.1, **option)
