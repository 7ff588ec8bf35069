"""What every loss promises, whatever its formula."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.parallel.mesh import batch_sharding, make_mesh
from tests.contracts.losses import BATCH, LOSSES, LossCase, arrays


@pytest.fixture(params=LOSSES)
def case(request) -> LossCase:
    return LOSSES[request.param]


@cache
def compiled(loss):
    """Returns the gradient and the mean as one program, made once for each loss."""

    def value(floats, rest):
        mean = loss(**floats, **rest)
        return mean.value, mean

    return jax.jit(jax.grad(value, has_aux=True))


def evaluate(case: LossCase, inputs):
    """Returns the mean and its gradient by the floats, jitted."""
    floats = {name: inputs[name] for name in case.floats}
    rest = {name: inputs[name] for name in inputs if name not in case.floats}
    gradient, mean = compiled(case.loss)(floats, rest)
    return mean, gradient


def assert_equal(found, expected, atol=1e-5):
    for one, other in zip(
        jax.tree.leaves(found), jax.tree.leaves(expected), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=atol)


def test_is_a_float32_mean_with_a_gradient(case):
    mean, gradient = evaluate(case, arrays(case.inputs))
    assert mean.value.dtype == mean.count.dtype == jnp.float32
    assert mean.value.shape == mean.count.shape == ()
    assert mean.count > 0
    for slope in gradient.values():
        assert np.isfinite(slope).all()
        assert np.any(slope)


def test_jit_equals_eager(case):
    inputs = arrays(case.inputs)
    assert_equal(evaluate(case, inputs)[0], case.loss(**inputs))


def test_gradients_are_slopes(case):
    """Along a random direction, so small that few kinks are crossed."""
    inputs = arrays(case.inputs)
    generator = np.random.default_rng(1)
    directions = {
        name: generator.standard_normal(inputs[name].shape).astype(np.float32)
        for name in case.floats
    }

    def moved(step):
        there = {name: inputs[name] + step * directions[name] for name in case.floats}
        return float(evaluate(case, inputs | there)[0].value)

    _, gradient = evaluate(case, inputs)
    slope = sum(float(jnp.vdot(gradient[name], directions[name])) for name in gradient)
    step = 1e-3
    numerical = (moved(step) - moved(-step)) / (2 * step)
    assert slope == pytest.approx(numerical, rel=0.03, abs=2e-3)


def test_nothing_counting_gives_value_0_and_gradient_0(case):
    mean, gradient = evaluate(case, arrays({**case.inputs, **case.nothing}))
    assert (float(mean.value), float(mean.count)) == (0, 0)
    for slope in gradient.values():
        assert not np.any(slope)


@pytest.mark.parametrize("end", [0, 1, None])
def test_the_ends_of_the_range_are_finite(case, end):
    """As where all descriptors are one, or where some have reached their goal."""
    ends = (
        np.resize(case.range, BATCH) if end is None else np.full(BATCH, case.range[end])
    )
    inputs = arrays(case.inputs)
    for name in case.floats:
        column = ends.astype(np.float32).reshape(-1, *[1] * (inputs[name].ndim - 1))
        inputs[name] = jnp.broadcast_to(column, inputs[name].shape)
    mean, gradient = evaluate(case, inputs)
    assert np.isfinite(mean.value)
    for slope in gradient.values():
        assert np.isfinite(slope).all()


def test_the_order_of_the_batch_does_not_matter(case):
    order = np.random.default_rng(2).permutation(BATCH)
    inputs = {}
    for name, value in case.inputs.items():
        inputs[name] = value[order][:, order] if name in case.pairs else value[order]
    shuffled, gradient = evaluate(case, arrays(inputs))
    mean, expected = evaluate(case, arrays(case.inputs))
    assert_equal(shuffled, mean)
    for name, slope in expected.items():
        slope = np.asarray(slope)[order]
        slope = slope[:, order] if name in case.pairs else slope
        np.testing.assert_allclose(gradient[name], slope, rtol=1e-4, atol=1e-5)


def test_bfloat16_is_computed_in_float32(case):
    inputs = arrays(case.inputs)
    narrow = {name: inputs[name].astype(jnp.bfloat16) for name in case.floats}
    wide = {name: value.astype(jnp.float32) for name, value in narrow.items()}
    mean, gradient = evaluate(case, inputs | narrow)
    expected, _ = evaluate(case, inputs | wide)
    assert mean.value.dtype == jnp.float32
    assert_equal(mean, expected)
    assert all(np.isfinite(slope.astype("f4")).all() for slope in gradient.values())


def test_eight_devices_equal_one(case):
    inputs = arrays(case.inputs)
    layout = batch_sharding(make_mesh())
    assert layout.mesh.size == 8
    split = {name: jax.device_put(value, layout) for name, value in inputs.items()}
    found, expected = evaluate(case, split), evaluate(case, inputs)
    assert_equal(found, expected)
