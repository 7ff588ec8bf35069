"""Name tables: what a parameter of another library is called and shaped here."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

Layout = Literal["conv", "dense", "vector"]

# Our axes as positions in the foreign array. A convolution is [out, in/groups, h, w]
# there and [h, w, in/groups, out] here (depthwise ones too, with in/groups = 1); a
# dense kernel is [out, in] there and [in, out] here.
AXES: Mapping[Layout, tuple[int, ...]] = {
    "conv": (2, 3, 1, 0),
    "dense": (1, 0),
    "vector": (0,),
}


@dataclass(frozen=True)
class Target:
    """The place of one foreign parameter in our variables.

    Attributes:
      path: keys from the root of the variables, the first of them "params" or
        "batch_stats", such as ("params", "stem", "conv", "kernel").
      layout: how the foreign array is laid out: "conv" for 4-D kernels of any
        grouping, "dense" for matrices, "vector" for biases and batch norm.
    """

    path: tuple[str, ...]
    layout: Layout

    def to_ours(self, array: np.ndarray) -> np.ndarray:
        """Returns the foreign array with our order of axes."""
        return array.transpose(AXES[self.layout])

    def foreign_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Returns the shape a parameter of our `shape` has in the foreign file."""
        return tuple(shape[i] for i in np.argsort(AXES[self.layout]))


NameTable = Mapping[str, Target]
"""Foreign parameter name, such as "conv1.weight", to its place here.

A table may hold more rows than a network has parameters: rows whose path is not in the
variables (a classifier that was not built) are passed over.
"""
