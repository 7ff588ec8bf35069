"""JAX's primitives on single elements as operations of ONNX, opset 18."""

import numpy as np

from jaxsim.core.errors import InputError
from jaxsim.export.onnx_graph import (
    CHANNELS_FIRST,
    Emit,
    Graph,
    Like,
    Operand,
    Value,
)

# Of the same meaning in both languages, on operands that broadcast.
_SAME_MEANING = {
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
        cast(graph, x, np.dtype(np.uint32)) if isinstance(x, Value) else x.astype("u4")
        for x in operands
    ]
    like = Like(out.shape, np.dtype(np.uint32))
    shifted = elementwise(graph, like, unsigned, "BitShift", direction="RIGHT")
    return cast(graph, shifted, out.dtype)


def cast(graph: Graph, x: Value, dtype: np.dtype) -> Value:
    """Adds a change of type, unless it has the type."""
    from onnx import helper  # pyright: ignore[reportMissingImports]

    if x.dtype == dtype:
        return x
    kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    name = graph.node("Cast", [x.name], to=kind)
    return Value(name, x.shape, x.held, x.order, np.dtype(dtype))


def _convert(graph, out, operands, params):
    return cast(graph, operands[0], out.dtype)


def _square(graph, out, operands, params):
    return elementwise(graph, out, [operands[0], operands[0]], "Mul")


def _integer_pow(graph, out, operands, params):
    exponent = np.array(params["y"], out.dtype)
    return elementwise(graph, out, [operands[0], exponent], "Pow")


def _rsqrt(graph, out, operands, params):
    root = elementwise(graph, out, operands, "Sqrt")
    return elementwise(graph, out, [root], "Reciprocal")


def _expm1(graph, out, operands, params):
    # Absolute errors stay those of the exponential.
    raised = elementwise(graph, out, operands, "Exp")
    return elementwise(graph, out, [raised, np.ones((), out.dtype)], "Sub")


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


def _same(graph, out, operands, params):
    return operands[0]


def _simple(kind: str) -> Emit:
    def emit(graph, out, operands, params):
        return elementwise(graph, out, operands, kind)

    return emit


ARITHMETIC: dict[str, Emit] = {
    **{name: _simple(kind) for name, kind in _SAME_MEANING.items()},
    "and": _bitwise("And", "BitwiseAnd"),
    "clamp": _clamp,
    "convert_element_type": _convert,
    "copy": _same,
    "copy_p": _same,
    "expm1": _expm1,
    "integer_pow": _integer_pow,
    "ne": _compare_unequal,
    "not": _bitwise("Not", "BitwiseNot"),
    "or": _bitwise("Or", "BitwiseOr"),
    "rem": _remainder,
    "rsqrt": _rsqrt,
    "select_n": _select,
    "shift_right_logical": _shift_right,
    "square": _square,
    "stop_gradient": _same,
}
