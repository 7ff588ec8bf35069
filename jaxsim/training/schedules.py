"""Schedules of the learning rate: functions from the step to the rate."""

import jax.numpy as jnp
import optax

from jaxsim.core.errors import InputError


def constant(rate: float) -> optax.Schedule:
    """Returns a schedule that is always `rate`."""
    return optax.constant_schedule(rate)


def step_decay(rate: float, *, every: int, factor: float = 0.1) -> optax.Schedule:
    """Returns rate * factor^floor(step / every).

    Args:
      rate: at step 0.
      every: steps from one drop to the next, >= 1.
      factor: what a drop multiplies by, > 0.

    Raises:
      InputError: `every` < 1.

    >>> [float(step_decay(1.0, every=2, factor=0.5)(t)) for t in range(5)]
    [1.0, 1.0, 0.5, 0.5, 0.25]
    """
    _require_steps("every", every)
    return lambda step: rate * jnp.float32(factor) ** (jnp.asarray(step) // every)


def cosine(rate: float, *, steps: int, final: float = 0.0) -> optax.Schedule:
    """Returns half a period of a cosine from `rate` to `final`, then `final`.

    Args:
      rate: at step 0.
      steps: length of the fall, >= 1.
      final: the rate from step `steps` on.

    Raises:
      InputError: `steps` < 1.

    Source: Loshchilov and Hutter 2017, eq. 5, without restarts.
    """
    _require_steps("steps", steps)

    def schedule(step):
        done = jnp.minimum(step, steps) / steps
        return final + 0.5 * (rate - final) * (1 + jnp.cos(jnp.pi * done))

    return schedule


def warmup(schedule: optax.Schedule, *, steps: int) -> optax.Schedule:
    """Returns the schedule times min(1, (step + 1) / steps).

    The clock of `schedule` starts at step 0 of training, not after the warm-up; the
    first step already learns.

    Args:
      schedule: what holds after the warm-up.
      steps: length of the linear rise, >= 1; 1 changes nothing.

    Raises:
      InputError: `steps` < 1.

    Source: Goyal et al. 2017, section 2.2.
    """
    _require_steps("steps", steps)
    return lambda step: schedule(step) * jnp.minimum(1.0, (step + 1) / steps)


def _require_steps(name: str, value: int) -> None:
    if value < 1:
        raise InputError(f"{name} is a number of steps >= 1, not {value}")
