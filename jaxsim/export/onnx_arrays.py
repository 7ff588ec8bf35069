"""JAX's primitives that move elements as operations of ONNX, opset 18."""

from typing import Any

import numpy as np

from jaxsim.core.errors import InputError
from jaxsim.export.onnx_arithmetic import cast
from jaxsim.export.onnx_graph import Emit, Like, Value, multiple_of_batch


def _broadcast(graph, out, operands, params):
    """Only adds axes; see `Value.held`."""
    (x,) = operands
    places = params["broadcast_dimensions"]
    held: list[Any] = [1] * len(out.shape)
    inside = x.held if isinstance(x, Value) else x.shape
    for place, length in zip(places, inside, strict=True):
        held[place] = length
    new = [i for i in range(len(out.shape)) if i not in places]
    name = graph.read(x, whole=False)
    if new:
        name = graph.node("Unsqueeze", [name, graph.numbers(*new)])
    return graph.value(name, out, held=held)


def _reshape(graph, out, operands, params):
    name = graph.read(operands[0])
    unknown = [multiple_of_batch(n) is not None for n in out.shape]
    if sum(unknown) == 1:
        # The one that depends on the batch is found by the runtime.
        known = [-1 if u else n for n, u in zip(out.shape, unknown, strict=True)]
        shape = graph.numbers(*known)
    else:
        shape = graph.shape(out.shape)
    return graph.value(graph.node("Reshape", [name, shape]), out)


def _squeeze(graph, out, operands, params):
    (x,) = operands
    axes = params["dimensions"]
    name = graph.read(x, whole=False)
    squeezed = graph.node("Squeeze", [name, graph.numbers(*axes)])
    held = [n for i, n in enumerate(x.held) if i not in axes]
    return graph.value(squeezed, out, held=held)


def _transpose(graph, out, operands, params):
    name = graph.read(operands[0])
    permutation = list(params["permutation"])
    return graph.value(graph.node("Transpose", [name], perm=permutation), out)


def _concatenate(graph, out, operands, params):
    names = [graph.read(x) for x in operands]
    return graph.value(graph.node("Concat", names, axis=params["dimension"]), out)


def _stack(graph, out, operands, params):
    axis = params["axis"]
    names = [
        graph.node("Unsqueeze", [graph.read(x), graph.numbers(axis)]) for x in operands
    ]
    return graph.value(graph.node("Concat", names, axis=axis), out)


def _slice(graph, out, operands, params):
    (x,) = operands
    starts, limits = params["start_indices"], params["limit_indices"]
    steps = params["strides"] or (1,) * len(starts)
    cut = [
        axis
        for axis, (start, limit, step) in enumerate(
            zip(starts, limits, steps, strict=True)
        )
        if start or step != 1 or str(limit) != str(x.shape[axis])
    ]
    bounds = [graph.numbers(*(part[i] for i in cut)) for part in (starts, limits)]
    names = [*bounds, graph.numbers(*cut), graph.numbers(*(steps[i] for i in cut))]
    return graph.value(graph.node("Slice", [graph.read(x), *names]), out)


def _pad(graph, out, operands, params):
    x, fill = operands
    config = params["padding_config"]
    if any(low < 0 or high < 0 or inside for low, high, inside in config):
        raise InputError("ONNX export knows padding at the borders only")
    pads = graph.numbers(
        *(low for low, _, _ in config), *(high for _, high, _ in config)
    )
    name = graph.node("Pad", [graph.read(x), pads, graph.read(fill)])
    return graph.value(name, out)


def _iota(graph, out, operands, params):
    axis = params["dimension"]
    length = params["shape"][axis]
    held = [length if i == axis else 1 for i in range(len(params["shape"]))]
    times = multiple_of_batch(length)
    if times is None:
        name = graph.constant(np.arange(length, dtype=out.dtype).reshape(held))
        return graph.value(name, out, held=held)
    zero, one = (graph.constant(np.array(n, np.int64)) for n in (0, 1))
    count = graph.node("Squeeze", [graph.batch(times), graph.numbers(0)])
    name = graph.node("Range", [zero, count, one])
    others = [i for i in range(len(held)) if i != axis]
    if others:
        name = graph.node("Unsqueeze", [name, graph.numbers(*others)])
    counted = graph.value(name, Like(out.shape, np.dtype(np.int64)), held=held)
    return cast(graph, counted, out.dtype)


def _dimension(graph, out, operands, params):
    times = multiple_of_batch(params["dim"])
    name = graph.node("Squeeze", [graph.batch(times or 1), graph.numbers(0)])
    found = graph.value(name, Like((), np.dtype(np.int64)))
    return cast(graph, found, out.dtype)


ARRAYS: dict[str, Emit] = {
    "broadcast_in_dim": _broadcast,
    "concatenate": _concatenate,
    "dim_as_value": _dimension,
    "iota": _iota,
    "pad": _pad,
    "reshape": _reshape,
    "slice": _slice,
    "squeeze": _squeeze,
    "stack": _stack,
    "transpose": _transpose,
}
