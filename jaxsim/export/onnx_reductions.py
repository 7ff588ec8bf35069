"""JAX's primitives that join many elements into one as operations of ONNX, opset 18."""

import numpy as np

from jaxsim.core.errors import InputError
from jaxsim.export.onnx_arithmetic import cast
from jaxsim.export.onnx_graph import CHANNELS_FIRST, Emit, Like, Value


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
    found = graph.value(name, Like(out.shape, np.dtype(np.int64)))
    return cast(graph, found, out.dtype)


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


REDUCTIONS: dict[str, Emit] = {
    "argmin": _argmin,
    "conv_general_dilated": _convolution,
    "dot_general": _dot,
    "reduce_max": _reduce("ReduceMax"),
    "reduce_min": _reduce("ReduceMin"),
    "reduce_sum": _reduce("ReduceSum"),
    "reduce_window_max": _max_pool,
}
