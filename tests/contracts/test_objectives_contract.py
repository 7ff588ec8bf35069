"""What every objective promises, whatever it minimises."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.parallel.mesh import make_mesh
from jaxsim.training.objectives.base import Objective
from jaxsim.training.step import compile_step
from tests.contracts.objectives import LABELS, OBJECTIVES, ObjectiveCase
from tests.training import tiny

KEY = jax.random.key(0)


@pytest.fixture(params=OBJECTIVES)
def case(request) -> ObjectiveCase:
    return OBJECTIVES[request.param]


def batch_of(case: ObjectiveCase) -> dict[str, jax.Array]:
    """Returns a batch with matches and rivals in every group of rows."""
    if case.rows == 1:
        return tiny.batch(16, LABELS)
    # Of a triplet the first two match; of every second pair both.
    labels = {2: [0, 0, 1, 2], 3: [0, 0, 1, 2, 2, 3]}[case.rows]
    rows = 16 if case.rows == 2 else 24
    return tiny.batch(rows, LABELS) | {
        "labels": jnp.resize(jnp.array(labels, jnp.int32), rows)
    }


@cache
def variables_of(kind: type, head: str | None) -> dict:
    """Returns first variables, the same whatever an objective's criterion is."""
    objective = next(
        case.objective
        for case in OBJECTIVES.values()
        if type(case.objective) is kind
        and getattr(case.objective, "head", None) == head
    )
    return tiny.variables(tiny.recipe(objective=objective))


def variables(case: ObjectiveCase) -> dict:
    if case.variables is not None:
        return case.variables()
    return variables_of(type(case.objective), getattr(case.objective, "head", None))


@cache
def compiled(objective: Objective):
    """Returns the loss and metrics with the gradient by the outputs, as one program."""

    def loss(outputs, batch, variables):
        return objective.apply(variables, outputs, batch, key=KEY, method="loss")

    return jax.jit(jax.value_and_grad(loss, has_aux=True))


def loss_of(case: ObjectiveCase, outputs, batch):
    """Returns loss, metrics and gradient of outputs that are given."""
    small = {name: array for name, array in batch.items() if name != "images"}
    (loss, metrics), gradient = compiled(case.objective)(
        outputs, small, variables(case)
    )
    return loss, metrics, gradient


def one_step(case: ObjectiveCase, *, devices: int = 1, micro_batch: int | None = None):
    recipe = tiny.recipe(objective=case.objective, micro_batch=micro_batch)
    step = compile_step(recipe, make_mesh(jax.devices()[:devices]))
    state, metrics = step(recipe.start(variables(case)), batch_of(case))
    return jax.device_get(state.params), jax.device_get(metrics)


def test_the_step_is_the_same_in_parts_on_several_devices(case):
    whole = one_step(case)
    assert whole[1]["loss"] != 0 and np.isfinite(whole[1]["loss"])
    assert 0 < whole[1]["gradient_norm"] < np.inf
    # One micro-batch cannot hold a part of a graph.
    micro_batch = 8 if case.alone else None
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-5),
        one_step(case, micro_batch=micro_batch, devices=4),
        whole,
    )


def test_each_output_depends_on_its_own_example(case):
    if not case.alone:
        pytest.skip("outputs are of the nodes of a graph")
    batch = tiny.batch(6, 2)

    def outputs(batch):
        return case.objective.apply(
            variables(case), batch, train=True, method="outputs"
        )

    found = outputs(batch)
    assert found.dtype == jnp.float32 and len(found) == 6
    turned = outputs(jax.tree.map(lambda x: x[::-1], batch))
    np.testing.assert_allclose(turned[::-1], found, rtol=1e-5, atol=1e-6)


def test_loss_and_metrics_are_numbers(case):
    batch = batch_of(case)
    loss, metrics, _ = loss_of(case, case.outputs(len(batch["labels"])), batch)
    assert metrics or not case.alone
    for value in (loss, *metrics.values()):
        assert value.shape == () and value.dtype == jnp.float32 and np.isfinite(value)


def test_the_order_of_the_batch_does_not_matter(case):
    if case.draws:
        pytest.skip("what is drawn depends on the order")
    batch = batch_of(case)
    rows = len(batch["labels"])
    outputs = case.outputs(rows)
    groups = np.random.default_rng(2).permutation(rows // case.rows)
    order = (groups[:, None] * case.rows + np.arange(case.rows)).ravel()
    expected, *_ = loss_of(case, outputs, batch)
    found, *_ = loss_of(case, outputs[order], {"labels": batch["labels"][order]})
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_batch_that_teaches_nothing_gives_loss_0_and_gradient_0(case):
    if not case.needs_matches:
        pytest.skip("every batch teaches something")
    rows = len(batch_of(case)["labels"])
    labels = {"labels": jnp.arange(rows, dtype=jnp.int32)}
    loss, _, gradient = loss_of(case, case.outputs(rows), labels)
    assert loss == 0 and not np.any(gradient)
