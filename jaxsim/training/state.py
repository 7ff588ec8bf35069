"""All that changes while a model is trained."""

from typing import Any

import flax.struct

Tree = dict[str, Any]


class TrainState(flax.struct.PyTreeNode):
    """A pytree that the step maps to its successor.

    Its leaves are arrays, on devices or not, or what JAX puts in their place.

    Attributes:
      step: int32, updates done so far.
      params: all parameters of the objective, trained and frozen, float32.
      collections: other variables, such as {"batch_stats": …}.
      optimiser: state of the optimiser, for the trained parameters only.
      average: moving average of the trained parameters; None without one, where JAX
        puts a sign of its own among shardings.
      pool: the triplets that pool mining chose; empty without it.
    """

    step: Any
    params: Tree
    collections: Tree
    optimiser: Any
    average: Any
    pool: dict[str, Any]
