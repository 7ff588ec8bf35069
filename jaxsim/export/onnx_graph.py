"""The graph that an ONNX file holds, while it is written.

ONNX convolves channels-first, JAX here channels-last. A value remembers how its axes
are stored, and elementwise operations keep that, so that a network is transposed where
it begins and ends only. A value may also be stored with length 1 along axes that it is
broadcast along, because operations of ONNX broadcast themselves.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from jaxsim.core.errors import InputError
from jaxsim.core.files import content_hash
from jaxsim.export.program import BATCH

Dimension = Any
"""A number, or JAX's symbol of a multiple of the batch."""
CHANNELS_FIRST = (0, 3, 1, 2)


@dataclass(frozen=True)
class Value:
    """A tensor that is computed when the graph runs.

    Attributes:
      name: in the graph.
      shape: as JAX sees it.
      held: as it is stored, in JAX's order of axes: the same, or 1 where it is yet to
        be broadcast.
      order: stored axis i is JAX's axis order[i].
      dtype: of the elements.
    """

    name: str
    shape: tuple[Dimension, ...]
    held: tuple[Dimension, ...]
    order: tuple[int, ...]
    dtype: np.dtype


Operand = Value | np.ndarray
"""What an operation reads: computed when the graph runs, or known now."""


def multiple_of_batch(dimension: Dimension) -> int | None:
    """Returns how many times the batch a dimension is; None for a plain number.

    Raises:
      InputError: it depends on the batch in another way.
    """
    if isinstance(dimension, int | np.integer):
        return None
    found = re.fullmatch(rf"(?:(\d+)\*)?{BATCH}", str(dimension))
    if found is None:
        raise InputError(
            f"this model has an array of {dimension} elements along an axis, which "
            "ONNX export does not know. Export it as stablehlo"
        )
    return int(found[1] or 1)


@dataclass
class Graph:
    """Nodes and constants of a graph whose inputs all have the batch first.

    Attributes:
      first_input: name of an input, whose first axis is the batch.
    """

    first_input: str
    nodes: list[Any] = field(default_factory=list)
    constants: dict[str, np.ndarray] = field(default_factory=dict)
    _names: dict[Any, str] = field(default_factory=dict)
    _made: dict[Any, Any] = field(default_factory=dict)

    def node(self, kind: str, inputs: Sequence[str], **attributes) -> str:
        """Adds an operation and returns the name of its output."""
        return self.node_of_several(kind, inputs, 1, **attributes)[0]

    def node_of_several(
        self, kind: str, inputs: Sequence[str], outputs: int, **attributes
    ) -> list[str]:
        """Adds an operation and returns the names of its outputs."""
        from onnx import helper  # pyright: ignore[reportMissingImports]

        name = f"{kind.lower()}_{len(self.nodes)}"
        names = [name + f"_{i}" * (i > 0) for i in range(outputs)]
        made = helper.make_node(kind, list(inputs), names, **attributes)
        made.name = name
        self.nodes.append(made)
        return names

    def constant(self, array: np.ndarray, name: str | None = None) -> str:
        """Returns the name of a constant, stored once."""
        array = np.asarray(array, order="C")
        key = (array.dtype.str, array.shape, content_hash(array.tobytes()))
        if key not in self._names:
            label = name or f"constant_{len(self.constants)}"
            while label in self.constants:
                label += "_"
            self._names[key] = label
            self.constants[label] = array
        return self._names[key]

    def numbers(self, *values: int | np.integer) -> str:
        """Returns the name of an int64 vector, as axes and shapes are given."""
        return self.constant(np.array(values, np.int64))

    def batch(self, times: int = 1) -> str:
        """Returns the name of a vector of one int64, a multiple of the batch."""
        if times not in self._made:
            if times == 1:
                name = self.node("Shape", [self.first_input], start=0, end=1)
            else:
                name = self.node("Mul", [self.batch(), self.numbers(times)])
            self._made[times] = name
        return self._made[times]

    def shape(self, dimensions: Sequence[Dimension]) -> str:
        """Returns the name of a shape that is complete when the graph runs."""
        times = [multiple_of_batch(n) for n in dimensions]
        if all(n is None for n in times):
            return self.numbers(*dimensions)
        parts = [
            self.numbers(n) if t is None else self.batch(t)
            for n, t in zip(dimensions, times, strict=True)
        ]
        return parts[0] if len(parts) == 1 else self.node("Concat", parts, axis=0)

    def value(self, name: str, like, *, held=None, order=None) -> Value:
        """Returns a value of the shape and dtype of one of JAX's variables."""
        shape = tuple(like.shape)
        return Value(
            name=name,
            shape=shape,
            held=shape if held is None else tuple(held),
            order=tuple(range(len(shape))) if order is None else tuple(order),
            dtype=np.dtype(like.dtype),
        )

    def read(
        self,
        operand: Operand,
        *,
        order: tuple[int, ...] | None = None,
        whole: bool = True,
    ) -> str:
        """Returns the name of an operand that is stored as asked.

        Args:
          operand: a value, or a known array.
          order: of the stored axes; None for JAX's. Values of fewer axes than it has
            are scalars and stay as they are.
          whole: broadcast along all axes, too.
        """
        rank = len(operand.shape)
        wanted = order if order is not None and len(order) == rank else range(rank)
        wanted = tuple(wanted)
        if isinstance(operand, np.ndarray):
            return self.constant(operand.transpose(wanted))
        key = (operand.name, operand.held, wanted, whole)
        if key in self._made:
            return self._made[key]
        name = operand.name
        if operand.order != wanted:
            name = self.node(
                "Transpose", [name], perm=[operand.order.index(i) for i in wanted]
            )
        if whole and any(
            have is not want and str(have) != str(want)
            for have, want in zip(operand.held, operand.shape, strict=True)
        ):
            shape = self.shape([operand.shape[i] for i in wanted])
            name = self.node("Expand", [name, shape])
        self._made[key] = name
        return name


Params = dict[str, Any]
Emit = Callable[[Graph, Any, list[Operand], Params], Operand]
"""(graph, JAX's output variable's shape and dtype, operands, parameters) -> result.

Adds what one of JAX's primitives computes."""


class Like:
    """A shape and a dtype."""

    def __init__(self, shape, dtype):
        self.shape, self.dtype = shape, dtype
