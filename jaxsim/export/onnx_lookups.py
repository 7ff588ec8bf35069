"""JAX's look-ups as operations of ONNX, opset 18."""

import numpy as np
from jax import lax

from jaxsim.core.errors import InputError
from jaxsim.export.onnx_arithmetic import cast
from jaxsim.export.onnx_graph import Emit, Graph, Like, Operand, Params, Value


def _gather(graph, out, operands, params):
    x, indices = operands
    numbers, sizes = params["dimension_numbers"], params["slice_sizes"]
    if isinstance(indices, np.ndarray) and indices.ndim == 1:
        return _window(graph, out, x, indices, params)
    batched = len(numbers.operand_batching_dims)
    looked_up = len(numbers.start_index_map)
    depth, rank = batched + looked_up, len(x.shape)
    first = tuple(range(batched))
    axes = tuple(range(batched, depth))
    kept = rank - depth
    usual = (
        tuple(numbers.operand_batching_dims) == first
        and tuple(numbers.start_indices_batching_dims) == first
        and tuple(numbers.start_index_map) == axes
        and tuple(numbers.collapsed_slice_dims) == axes
        and tuple(numbers.offset_dims)
        == tuple(range(len(out.shape) - kept, len(out.shape)))
        and list(map(str, sizes[depth:])) == list(map(str, x.shape[depth:]))
    )
    if not usual:
        raise InputError("ONNX export knows look-ups along the first axes only")
    # Outside, JAX takes the nearest element; the runtime would fail.
    lengths = graph.node("Sub", [graph.shape(x.shape[batched:depth]), graph.numbers(1)])
    wide = graph.node("Cast", [graph.read(indices)], to=7)  # int64
    inside = graph.node("Max", [wide, graph.numbers(0)])
    inside = graph.node("Min", [inside, lengths])
    names = [graph.read(x), inside]
    found = graph.value(graph.node("GatherND", names, batch_dims=batched), out)
    if params["mode"] != lax.GatherScatterMode.FILL_OR_DROP:
        return found
    return _fill_outside(graph, out, found, wide, inside, kept, params["fill_value"])


def _window(graph: Graph, out, x: Value, start: np.ndarray, params: Params) -> Value:
    """Cuts one window out of a value, at a place that is known."""
    numbers, sizes = params["dimension_numbers"], params["slice_sizes"]
    axes = numbers.start_index_map
    lengths = [sizes[axis] for axis in axes]
    first = [
        min(max(int(place), 0), x.shape[axis] - length)
        for place, axis, length in zip(start, axes, lengths, strict=True)
    ]
    last = [place + length for place, length in zip(first, lengths, strict=True)]
    bounds = [graph.numbers(*first), graph.numbers(*last)]
    name = graph.node("Slice", [graph.read(x), *bounds, graph.numbers(*axes)])
    if numbers.collapsed_slice_dims:
        gone = graph.numbers(*numbers.collapsed_slice_dims)
        name = graph.node("Squeeze", [name, gone])
    return graph.value(name, out)


def _fill_outside(
    graph: Graph, out, found: Value, wide: str, inside: str, kept: int, fill
):
    """Replaces what was looked up at places that do not exist.

    Each place has found what lies along the last `kept` axes.
    """
    same = graph.node("Cast", [graph.node("Equal", [wide, inside])], to=6)  # int32
    exists = graph.node("ReduceMin", [same, graph.numbers(-1)], keepdims=0)
    exists = graph.node("Cast", [exists], to=9)  # bool
    if kept:
        exists = graph.node("Unsqueeze", [exists, graph.numbers(*range(-kept, 0))])
    value = np.nan if fill is None else fill
    other = graph.constant(np.array(value, out.dtype))
    return graph.value(graph.node("Where", [exists, found.name, other]), out)


def top_k(graph: Graph, outs, operands: list[Operand], params: Params) -> list[Operand]:
    """Adds the largest elements along the last axis, and their places.

    Of equal ones the first comes first, in both languages.
    """
    (x,) = operands
    rank = len(x.shape)
    if params.get("axis", rank - 1) % rank != rank - 1:
        raise InputError("ONNX export knows the largest along the last axis only")
    names = [graph.read(x), graph.numbers(params["k"])]
    values, places = graph.node_of_several("TopK", names, 2, axis=-1)
    counted = graph.value(places, Like(outs[1].shape, np.dtype(np.int64)))
    return [graph.value(values, outs[0]), cast(graph, counted, outs[1].dtype)]


LOOKUPS: dict[str, Emit] = {"gather": _gather}
