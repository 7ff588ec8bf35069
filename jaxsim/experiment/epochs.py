"""Numbers of steps that a config gives in epochs."""

from typing import NamedTuple

import fiddle as fdl
from fiddle import daglish

from jaxsim.core.errors import InputError


class Epochs(NamedTuple):
    """Stands in a training config wherever a number of steps is expected.

    How many steps it means shows when the images have been listed.

    Attributes:
      count: number of epochs, above 0.
    """

    count: float


def in_steps(config: fdl.Config, *, steps_per_epoch: int) -> fdl.Config:
    """Returns the config with every `Epochs` replaced by a number of steps.

    Args:
      config: of a training experiment.
      steps_per_epoch: of its sampler, >= 1.

    Returns:
      A copy; each number is rounded to whole steps, at least one.

    Raises:
      InputError: a number of epochs is not above 0.
    """

    def replace(value, state: daglish.State):
        if not isinstance(value, Epochs):
            return state.map_children(value) if state.is_traversable(value) else value
        if not value.count > 0:
            raise InputError(f"{value.count} epochs: give a number above 0")
        return max(1, round(value.count * steps_per_epoch))

    return daglish.MemoizedTraversal.run(replace, config)
