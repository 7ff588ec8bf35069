"""One step: what it does to parameters, averages and statistics."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.parallel import layout
from jaxsim.parallel.mesh import MeshShape, make_mesh
from jaxsim.training.objectives.criteria import TripletCriterion
from jaxsim.training.objectives.descriptor import DescriptorObjective
from jaxsim.training.optim import Group, adam
from jaxsim.training.step import (
    check_batch_size,
    compile_step,
    micro_batch_on,
    state_layout,
)
from tests.training import tiny


def one_step(recipe, *, devices=1, batch=None, variables=None):
    mesh = make_mesh(jax.devices()[:devices])
    state = recipe.start(variables or tiny.variables(recipe))
    state, metrics = compile_step(recipe, mesh)(state, batch or tiny.batch())
    return jax.device_get(state), jax.device_get(metrics)


@pytest.mark.parametrize(
    "options", [{"micro_batch": 8}, {"devices": 8}, {"micro_batch": 8, "devices": 4}]
)
def test_in_parts_and_on_several_devices_a_step_is_the_same(options):
    """As the contract of objectives has it of each, for each of the ways."""
    micro_batch, devices = options.get("micro_batch"), options.get("devices", 1)
    expected = one_step(tiny.recipe())
    found = one_step(tiny.recipe(micro_batch=micro_batch), devices=devices)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5),
        found,
        expected,
    )


def test_a_step_moves_against_the_gradient_of_the_loss():
    recipe = tiny.recipe(learning_rate=1e-2)
    variables = tiny.variables(recipe)
    batch, key = tiny.batch(), jax.random.fold_in(jax.random.key(0), 0)

    def loss_of(params):
        outputs = recipe.objective.apply(
            {**variables, "params": params}, batch, train=False, method="outputs"
        )
        return recipe.objective.apply(
            {**variables, "params": params}, outputs, batch, key=key, method="loss"
        )[0]

    loss, gradient = jax.jit(jax.value_and_grad(loss_of))(variables["params"])
    state, metrics = one_step(recipe, variables=variables)
    np.testing.assert_allclose(metrics["loss"], loss, rtol=1e-5)
    # Nesterov's first step is (1 + momentum) times the gradient.
    jax.tree.map(
        lambda new, old, g: np.testing.assert_allclose(
            new, old - 1e-2 * 1.9 * g, rtol=1e-4, atol=1e-6
        ),
        state.params,
        jax.device_get(variables["params"]),
        jax.device_get(gradient),
    )


def test_the_loss_falls_over_some_steps():
    recipe = tiny.recipe(optimiser=adam, learning_rate=1e-2)
    step = compile_step(recipe, make_mesh(jax.devices()[:1]))
    state, losses = recipe.start(tiny.variables(recipe)), []
    for _ in range(20):
        state, metrics = step(state, tiny.batch())
        losses.append(float(metrics["loss"]))
    assert losses[-1] < 0.7 * losses[0]


def test_frozen_parameters_stay_and_have_no_optimiser_state():
    recipe = tiny.recipe(groups=(Group("network/backbone/first/*", 0.0),))
    variables = tiny.variables(recipe)
    state, _ = one_step(recipe, variables=variables)
    before = jax.device_get(variables["params"]["network"]["backbone"])
    after = state.params["network"]["backbone"]
    jax.tree.map(np.testing.assert_array_equal, after["first"], before["first"])
    kernels = [tree["second"]["conv"]["kernel"] for tree in (after, before)]
    assert not np.array_equal(*kernels)
    paths = [
        jax.tree_util.keystr(path)
        for path, _ in jax.tree_util.tree_leaves_with_path(state.optimiser)
    ]
    assert any("second" in path for path in paths)
    assert not any("first" in path for path in paths)


def test_a_group_learns_at_its_own_rate():
    slow = tiny.recipe(groups=(Group("network/pooling/*", 0.5),))
    plain = tiny.recipe()
    variables = tiny.variables(plain)
    start = variables["params"]["network"]["pooling"]["p"]
    moves = [
        one_step(recipe, variables=variables)[0].params["network"]["pooling"]["p"]
        - start
        for recipe in (slow, plain)
    ]
    np.testing.assert_allclose(moves[0], 0.5 * moves[1], rtol=1e-4)


def test_clipping_bounds_the_step():
    free, clipped = tiny.recipe(), tiny.recipe(clip_norm=1e-3)
    variables = tiny.variables(free)
    assert one_step(free, variables=variables)[1]["gradient_norm"] > 1e-3
    state, _ = one_step(clipped, variables=variables)
    moved = jax.tree.map(
        lambda new, old: np.sum(np.square(new - old)),
        state.params,
        jax.device_get(variables["params"]),
    )
    norm = np.sqrt(sum(jax.tree.leaves(moved)))
    np.testing.assert_allclose(norm, 0.1 * 1.9 * 1e-3, rtol=1e-3)


def test_the_average_follows_the_parameters():
    recipe = tiny.recipe(average_decay=0.9)
    variables = tiny.variables(recipe)
    state, _ = one_step(recipe, variables=variables)
    jax.tree.map(
        lambda mean, new, old: np.testing.assert_allclose(
            mean, 0.9 * old + 0.1 * new, rtol=1e-5, atol=1e-6
        ),
        state.average,
        state.params,
        jax.device_get(variables["params"]),
    )


def test_live_batch_norm_moves_its_statistics_and_frozen_does_not():
    for norm in ("frozen", "batch"):
        objective = DescriptorObjective(tiny.network(norm=norm), TripletCriterion())
        recipe = tiny.recipe(objective=objective)
        variables = tiny.variables(recipe)
        state, _ = one_step(recipe, variables=variables)
        same = jax.tree.map(
            np.array_equal,
            state.collections["batch_stats"],
            jax.device_get(variables["batch_stats"]),
        )
        assert all(jax.tree.leaves(same)) == (norm == "frozen")


def test_learning_rates_of_a_schedule_are_reported():
    recipe = tiny.recipe(learning_rate=lambda step: 0.5 / (step + 1))
    step = compile_step(recipe, make_mesh(jax.devices()[:1]))
    state, rates = recipe.start(tiny.variables(recipe)), []
    for _ in range(2):
        state, metrics = step(state, tiny.batch())
        rates.append(float(metrics["learning_rate"]))
    assert rates == [0.5, 0.25]


def test_a_batch_without_matching_labels_changes_nothing():
    recipe = tiny.recipe()
    variables = tiny.variables(recipe)
    batch = tiny.batch() | {"labels": jnp.arange(16, dtype=jnp.int32)}
    state, metrics = one_step(recipe, batch=batch, variables=variables)
    assert metrics["loss"] == 0 and metrics["gradient_norm"] == 0
    jax.tree.map(
        np.testing.assert_array_equal, state.params, jax.device_get(variables["params"])
    )


def test_batches_that_do_not_divide_are_refused():
    check_batch_size(16, tiny.recipe(micro_batch=8), 4, chosen_by="pairs=8")
    for size, micro, devices, over in (
        (10, None, 4, "the 4 devices"),
        (16, 6, 1, "micro_batch=6"),
        (16, 6, 3, "the 3 devices and micro_batch=6"),
    ):
        message = rf"\(pairs={size}\) does not split evenly over {over}\."
        with pytest.raises(InputError, match=message):
            check_batch_size(
                size,
                tiny.recipe(micro_batch=micro),
                devices,
                chosen_by=f"pairs={size}",
            )


def test_a_micro_batch_has_a_share_for_each_device():
    found = [micro_batch_on(devices, 48, 6) for devices in (1, 2, 4, 8, 16, 48)]
    assert found == [6, 6, 8, 8, 16, 48]


@pytest.mark.parametrize("micro_batch", [None, 4])
def test_a_state_cut_over_devices_is_trained_as_a_whole_one(monkeypatch, micro_batch):
    monkeypatch.setattr(layout, "SMALLEST_CUT", 1)
    recipe = tiny.recipe(
        optimiser=adam, learning_rate=1e-2, average_decay=0.9, micro_batch=micro_batch
    )
    one = recipe.start(tiny.variables(recipe))
    mesh = make_mesh(shape=MeshShape(fsdp=4, whole=("pooling/*",)))
    places = state_layout(one, mesh, whole=("pooling/*",))
    many = jax.device_put(recipe.start(tiny.variables(recipe)), places)
    alone = compile_step(recipe, make_mesh(jax.devices()[:1]))
    together = compile_step(recipe, mesh, places)
    for _ in range(2):
        one, expected = alone(one, tiny.batch())
        many, metrics = together(many, tiny.batch())
        for name, value in expected.items():
            np.testing.assert_allclose(metrics[name], value, rtol=1e-5, err_msg=name)
    kernel = many.params["network"]["backbone"]["second"]["conv"]["kernel"]
    assert kernel.addressable_shards[0].data.shape == (2, 2, 6, 2)
    assert (
        not kernel.is_fully_replicated
        and not many.average["network"]["backbone"]["second"]["conv"][
            "kernel"
        ].is_fully_replicated
    )
    assert any(not leaf.is_fully_replicated for leaf in jax.tree.leaves(many.optimiser))
    assert many.params["network"]["pooling"]["p"].is_fully_replicated
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5),
        jax.device_get(many.params),
        jax.device_get(one.params),
    )
