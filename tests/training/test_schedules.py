"""Schedules against their formulas, written out step by step."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.training.schedules import constant, cosine, step_decay, warmup


def values(schedule, steps):
    compiled = jax.jit(schedule)
    found = [float(schedule(jnp.int32(step))) for step in range(steps)]
    np.testing.assert_allclose(
        [float(compiled(jnp.int32(step))) for step in range(steps)],
        found,
        rtol=1e-6,
        atol=1e-7,
    )
    return found


def test_constant_never_changes():
    assert values(constant(0.25), 4) == [0.25] * 4


def test_step_decay_drops_every_few_steps():
    np.testing.assert_allclose(
        values(step_decay(0.2, every=3), 8),
        [0.2, 0.2, 0.2, 0.02, 0.02, 0.02, 0.002, 0.002],
        rtol=1e-6,
    )


def test_cosine_falls_to_the_final_rate_and_stays():
    expected = [
        0.1 + (1.0 - 0.1) * (1 + math.cos(math.pi * min(t, 4) / 4)) / 2
        for t in range(7)
    ]
    assert expected[0] == 1.0 and expected[4:] == [0.1] * 3
    np.testing.assert_allclose(
        values(cosine(1.0, steps=4, final=0.1), 7), expected, rtol=1e-6
    )


def test_warmup_rises_in_a_line_under_the_schedule():
    plain, warm = cosine(1.0, steps=10), warmup(cosine(1.0, steps=10), steps=4)
    ramp = [0.25, 0.5, 0.75] + [1.0] * 7
    expected = [r * p for r, p in zip(ramp, values(plain, 10), strict=True)]
    np.testing.assert_allclose(values(warm, 10), expected, rtol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda: step_decay(1.0, every=0),
        lambda: cosine(1.0, steps=0),
        lambda: warmup(constant(1.0), steps=0),
    ],
)
def test_no_steps_are_refused(make):
    with pytest.raises(InputError, match="steps >= 1, not 0"):
        make()
