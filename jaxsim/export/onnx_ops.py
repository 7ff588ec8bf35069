"""JAX's primitives as operations of ONNX, opset 18.

Each function adds what one primitive computes to a graph and returns the result. What
is missing here is refused by name, so that a file is never silently wrong.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from jax import lax

from jaxsim.core.errors import InputError
from jaxsim.export.onnx_graph import (
    CHANNELS_FIRST,
    Graph,
    Operand,
    Value,
    multiple_of_batch,
)

Params = dict[str, Any]
Emit = Callable[[Graph, Any, list[Operand], Params], Operand]
"""(graph, JAX's output variable's shape and dtype, operands, parameters) -> result."""

# Of the same meaning in both languages, on operands that broadcast.
ELEMENTWISE = {
    "abs": "Abs",
    "add": "Add",
    "add_any": "Add",
    "ceil": "Ceil",
    "div": "Div",
    "eq": "Equal",
    "exp": "Exp",
    "floor": "Floor",
    "ge": "GreaterOrEqual",
    "gt": "Greater",
    "le": "LessOrEqual",
    "log": "Log",
    "logistic": "Sigmoid",
    "lt": "Less",
    "max": "Max",
    "min": "Min",
    "mul": "Mul",
    "neg": "Neg",
    "pow": "Pow",
    "sign": "Sign",
    "sqrt": "Sqrt",
    "sub": "Sub",
    "tanh": "Tanh",
}
REDUCTIONS = {
    "reduce_max": "ReduceMax",
    "reduce_min": "ReduceMin",
    "reduce_sum": "ReduceSum",
}


def elementwise(graph: Graph, out, operands: list[Operand], kind: str, **attributes):
    """Adds an operation on each element, in the layout of its operands."""
    rank = len(out.shape)
    orders = [
        x.order for x in operands if isinstance(x, Value) and len(x.shape) == rank
    ]
    order = CHANNELS_FIRST if CHANNELS_FIRST in orders else tuple(range(rank))
    names = [graph.read(x, order=order, whole=False) for x in operands]
    helds = [x.held if isinstance(x, Value) else x.shape for x in operands]
    held = [
        next((h[i] for h in helds if len(h) == rank and not _is_one(h[i])), 1)
        for i in range(rank)
    ]
    return graph.value(
        graph.node(kind, names, **attributes), out, held=held, order=order
    )


def _is_one(dimension) -> bool:
    return isinstance(dimension, int | np.integer) and dimension == 1


def _compare_unequal(graph, out, operands, params):
    equal = elementwise(graph, out, operands, "Equal")
    return elementwise(graph, out, [equal], "Not")


def _bitwise(logical: str, bitwise: str) -> Emit:
    def emit(graph, out, operands, params):
        kind = logical if out.dtype == np.bool_ else bitwise
        return elementwise(graph, out, operands, kind)

    return emit


def _shift_right(graph, out, operands, params):
    """Shifts unsigned numbers, the only ones that ONNX shifts."""
    unsigned = [
        _cast(graph, x, np.dtype(np.uint32)) if isinstance(x, Value) else x.astype("u4")
        for x in operands
    ]
    like = _Like(out.shape, np.dtype(np.uint32))
    shifted = elementwise(graph, like, unsigned, "BitShift", direction="RIGHT")
    return _cast(graph, shifted, out.dtype)


class _Like:
    """A shape and a dtype."""

    def __init__(self, shape, dtype):
        self.shape, self.dtype = shape, dtype


def _cast(graph: Graph, x: Value, dtype: np.dtype) -> Value:
    from onnx import helper  # pyright: ignore[reportMissingImports]

    if x.dtype == dtype:
        return x
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    name = graph.node("Cast", [x.name], to=kind)
    return Value(name, x.shape, x.held, x.order, np.dtype(dtype))


def _convert(graph, out, operands, params):
    return _cast(graph, operands[0], out.dtype)


def _square(graph, out, operands, params):
    return elementwise(graph, out, [operands[0], operands[0]], "Mul")


def _integer_pow(graph, out, operands, params):
    exponent = np.array(params["y"], out.dtype)
    return elementwise(graph, out, [operands[0], exponent], "Pow")


def _rsqrt(graph, out, operands, params):
    root = elementwise(graph, out, operands, "Sqrt")
    return elementwise(graph, out, [root], "Reciprocal")


def _remainder(graph, out, operands, params):
    # With the sign of the dividend, as in C.
    return elementwise(graph, out, operands, "Mod", fmod=1)


def _select(graph, out, operands, params):
    which, *cases = operands
    if which.dtype != np.bool_ or len(cases) != 2:
        raise InputError("ONNX export knows choices between two cases only")
    return elementwise(graph, out, [which, cases[1], cases[0]], "Where")


def _clamp(graph, out, operands, params):
    low, x, high = operands
    raised = elementwise(graph, out, [x, low], "Max")
    return elementwise(graph, out, [raised, high], "Min")


def _reduce(kind: str) -> Emit:
    def emit(graph, out, operands, params):
        (x,) = operands
        order = x.order if isinstance(x, Value) else tuple(range(x.ndim))
        axes = params["axes"]
        name = graph.read(x, order=order)
        stored = graph.numbers(*(order.index(axis) for axis in axes))
        left = [i for i in order if i not in axes]
        reduced = graph.node(kind, [name, stored], keepdims=0)
        ranks = sorted(left)
        return graph.value(reduced, out, order=[ranks.index(i) for i in left])

    return emit


def _argmin(graph, out, operands, params):
    (axis,) = params["axes"]
    name = graph.node("ArgMin", [graph.read(operands[0])], axis=axis, keepdims=0)
    found = graph.value(name, _Like(out.shape, np.dtype(np.int64)))
    return _cast(graph, found, out.dtype)


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
    counted = graph.value(name, _Like(out.shape, np.dtype(np.int64)), held=held)
    return _cast(graph, counted, out.dtype)


def _dimension(graph, out, operands, params):
    times = multiple_of_batch(params["dim"])
    name = graph.node("Squeeze", [graph.batch(times or 1), graph.numbers(0)])
    found = graph.value(name, _Like((), np.dtype(np.int64)))
    return _cast(graph, found, out.dtype)


def _convolution(graph, out, operands, params):
    x, kernel = operands
    numbers = params["dimension_numbers"]
    usual = (0, 3, 1, 2), (3, 2, 0, 1), (0, 3, 1, 2)
    if (numbers.lhs_spec, numbers.rhs_spec, numbers.out_spec) != usual:
        raise InputError("ONNX export knows convolutions of [B, H, W, C] only")
    if set(params["lhs_dilation"]) != {1} or params["batch_group_count"] != 1:
        raise InputError("ONNX export knows no transposed convolution")
    (top, bottom), (left, right) = params["padding"]
    name = graph.node(
        "Conv",
        [
            graph.read(x, order=CHANNELS_FIRST),
            graph.read(kernel, order=(3, 2, 0, 1)),
        ],
        strides=list(params["window_strides"]),
        dilations=list(params["rhs_dilation"]),
        pads=[top, left, bottom, right],
        group=params["feature_group_count"],
    )
    return graph.value(name, out, order=CHANNELS_FIRST)


def _max_pool(graph, out, operands, params):
    window, strides = params["window_dimensions"], params["window_strides"]
    padding = params["padding"]
    outside = (window[0], window[3], strides[0], strides[3])
    dilated = set(params["base_dilation"]) | set(params["window_dilation"])
    if len(window) != 4 or set(outside) | dilated != {1}:
        raise InputError("ONNX export knows maxima over rows and columns only")
    (top, bottom), (left, right) = padding[1:3]
    name = graph.node(
        "MaxPool",
        [graph.read(operands[0], order=CHANNELS_FIRST)],
        kernel_shape=list(window[1:3]),
        strides=list(strides[1:3]),
        pads=[top, left, bottom, right],
    )
    return graph.value(name, out, order=CHANNELS_FIRST)


def _dot(graph, out, operands, params):
    (contracted, batch) = params["dimension_numbers"]
    left, right = operands
    names = [graph.read(x) for x in operands]
    last = (len(left.shape) - 1,)
    if not batch[0] and tuple(contracted[0]) == last and tuple(contracted[1]) == (0,):
        if len(right.shape) == 2:
            return graph.value(graph.node("MatMul", names), out)
    letters = iter("abcdefghijklmnopqrstuvwxyz")
    terms = [[""] * len(left.shape), [""] * len(right.shape)]
    for pairs in (batch, contracted):
        for i, j in zip(*pairs, strict=True):
            terms[0][i] = terms[1][j] = next(letters)
    joint = [terms[0][i] for i in batch[0]]
    for term in terms:
        for axis, letter in enumerate(term):
            if not letter:
                term[axis] = next(letters)
                joint.append(term[axis])
    equation = f"{''.join(terms[0])},{''.join(terms[1])}->{''.join(joint)}"
    return graph.value(graph.node("Einsum", names, equation=equation), out)


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
    return _fill_outside(graph, out, found, wide, inside, params["fill_value"])


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


def _fill_outside(graph: Graph, out, found: Value, wide: str, inside: str, fill):
    """Replaces what was looked up at places that do not exist."""
    same = graph.node("Cast", [graph.node("Equal", [wide, inside])], to=6)  # int32
    exists = graph.node("ReduceMin", [same, graph.numbers(-1)], keepdims=0)
    exists = graph.node("Cast", [exists], to=9)  # bool
    kept = len(out.shape) - len(found.shape)
    if kept:
        exists = graph.node("Unsqueeze", [exists, graph.numbers(*range(-kept, 0))])
    value = np.nan if fill is None else fill
    other = graph.constant(np.array(value, out.dtype))
    return graph.value(graph.node("Where", [exists, found.name, other]), out)


def _same(graph, out, operands, params):
    return operands[0]


def _simple(kind: str) -> Emit:
    def emit(graph, out, operands, params):
        return elementwise(graph, out, operands, kind)

    return emit


EMITTERS: dict[str, Emit] = {
    **{name: _simple(kind) for name, kind in ELEMENTWISE.items()},
    **{name: _reduce(kind) for name, kind in REDUCTIONS.items()},
    "and": _bitwise("And", "BitwiseAnd"),
    "argmin": _argmin,
    "broadcast_in_dim": _broadcast,
    "clamp": _clamp,
    "concatenate": _concatenate,
    "conv_general_dilated": _convolution,
    "convert_element_type": _convert,
    "copy": _same,
    "copy_p": _same,
    "dim_as_value": _dimension,
    "dot_general": _dot,
    "gather": _gather,
    "integer_pow": _integer_pow,
    "iota": _iota,
    "ne": _compare_unequal,
    "not": _bitwise("Not", "BitwiseNot"),
    "or": _bitwise("Or", "BitwiseOr"),
    "pad": _pad,
    "reduce_window_max": _max_pool,
    "rem": _remainder,
    "reshape": _reshape,
    "rsqrt": _rsqrt,
    "select_n": _select,
    "shift_right_logical": _shift_right,
    "slice": _slice,
    "square": _square,
    "squeeze": _squeeze,
    "stack": _stack,
    "stop_gradient": _same,
    "transpose": _transpose,
}
"""Primitive -> what adds it to a graph."""
