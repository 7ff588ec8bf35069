"""ONNX: a program for ONNX Runtime and others, written from what JAX traces.

The function is traced once with a batch of unknown size, in JAX's own primitives, and
each is written as an operation of ONNX. What depends on parameters only is computed
here. No module is described twice, so that a new one exports as soon as its primitives
are in `onnx_ops`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax.extend import core

from jaxsim import __version__
from jaxsim.core.errors import InputError, MissingExtraError
from jaxsim.core.files import atomic_write
from jaxsim.export.onnx_arithmetic import elementwise
from jaxsim.export.onnx_graph import Graph, Operand, Value
from jaxsim.export.onnx_lookups import top_k
from jaxsim.export.onnx_ops import EMITTERS
from jaxsim.export.program import BATCH, Program

ONNX_FILE = "model.onnx"
OPSET = 18
IR_VERSION = 9
"""Both are of 2023, so that older runtimes read the file."""
EXTRA = "onnx"


def write_onnx(program: Program, path: Path) -> None:
    """Writes a program as an ONNX file, its parameters inside.

    Args:
      program: what to write.
      path: .onnx file.

    Raises:
      MissingExtraError: the package onnx is not installed.
      InputError: the program has a primitive that is not known here, or the file
        cannot be written.
    """
    try:
        from onnx import TensorProto, checker, helper, numpy_helper  # pyright: ignore
    except ImportError:
        raise MissingExtraError("onnx", EXTRA) from None
    graph, output = build_graph(program)

    def tensor(name, shape, dtype):
        kind = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return helper.make_tensor_value_info(name, kind, [BATCH, *shape])

    model = helper.make_model(
        helper.make_graph(
            [*graph.nodes, helper.make_node("Identity", [output], [program.output])],
            "jaxsim",
            [tensor(name, *entry) for name, entry in program.inputs.items()],
            [
                helper.make_tensor_value_info(
                    program.output, TensorProto.FLOAT, [BATCH, *program.output_shape()]
                )
            ],
            [numpy_helper.from_array(a, name) for name, a in graph.constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="jaxsim",
        producer_version=__version__,
    )
    checker.check_model(model)
    with atomic_write(path) as file:
        file.write(model.SerializeToString())


def run_onnx(path: Path) -> Callable[[dict[str, np.ndarray]], np.ndarray]:
    """Opens what `write_onnx` wrote, to be run on the CPU.

    Args:
      path: the file.

    Returns:
      A function from every input by its name to the output.

    Raises:
      MissingExtraError: ONNX Runtime is not installed.
    """
    try:
        import onnxruntime  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise MissingExtraError("onnxruntime", EXTRA) from None
    session = onnxruntime.InferenceSession(
        str(path), providers=["CPUExecutionProvider"]
    )
    return lambda arrays: np.asarray(session.run(None, arrays)[0])


def build_graph(program: Program) -> tuple[Graph, str]:
    """Returns the graph of a program and the name of its result.

    Raises:
      InputError: it has a primitive that is not known.
    """
    closed = jax.make_jaxpr(program.function)(program.variables, *program.shapes())
    graph = Graph(first_input=next(iter(program.inputs)))
    leaves = jax.tree_util.tree_flatten_with_path(program.variables)[0]
    operands: list[Operand] = []
    for path, leaf in leaves:
        name = jax.tree_util.keystr(path, simple=True, separator="/")
        array = np.asarray(leaf)
        # Kernels are stored in the order that they are convolved in.
        named = array.transpose(3, 2, 0, 1) if array.ndim == 4 else array
        graph.constant(named, name)
        operands.append(array)
    given = closed.jaxpr.invars[len(leaves) :]
    for variable, name in zip(given, program.inputs, strict=True):
        operands.append(graph.value(name, variable.aval))
    consts = [np.asarray(x) for x in closed.consts]
    (result,) = _run(graph, closed.jaxpr, consts, operands)
    output = graph.read(result)
    _drop_unread(graph, output)
    return graph, output


def _run(graph: Graph, jaxpr, consts, operands: list[Operand]) -> list[Operand]:
    """Adds what a traced function computes; what is known already is computed now."""
    known: dict[Any, Operand] = {}
    known.update(zip(jaxpr.constvars, consts, strict=True))
    known.update(zip(jaxpr.invars, operands, strict=True))

    def read(variable) -> Operand:
        if isinstance(variable, core.Literal):
            aval: Any = variable.aval
            return np.asarray(variable.val, aval.dtype)
        return known[variable]

    for equation in jaxpr.eqns:
        given = [read(x) for x in equation.invars]
        results = _apply(graph, equation, given)
        known.update(zip(equation.outvars, results, strict=True))
    return [read(x) for x in jaxpr.outvars]


def _apply(graph: Graph, equation, given: list[Operand]) -> list[Operand]:
    name, params = equation.primitive.name, equation.params
    if name == "platform_index":
        # The last is that of no platform in particular.
        return [np.array(len(params["platforms"]) - 1)]
    if name == "optimization_barrier":
        return given
    if name == "cond":
        which, *rest = given
        if not isinstance(which, np.ndarray):
            raise InputError(
                "ONNX export knows no choice that depends on the images. Export this "
                "model as stablehlo"
            )
        return _inline(graph, params["branches"][int(which)], rest)
    outputs = [x.aval for x in equation.outvars]
    if params.get("name") == "relu6":
        bounds = [np.array(n, outputs[0].dtype) for n in (0, 6)]
        return [elementwise(graph, outputs[0], [given[0], *bounds], "Clip")]
    if params.get("name") == "relu" and isinstance(given[0], Value):
        return [elementwise(graph, outputs[0], given, "Relu")]
    inner = params.get("jaxpr", params.get("call_jaxpr"))
    if inner is not None:
        if name in ("scan", "while"):
            raise _unknown(name)
        return _inline(graph, inner, given)
    known = all(isinstance(x, np.ndarray) for x in given)
    if known and name != "dim_as_value" and _is_static(outputs):
        found = equation.primitive.bind(*given, **params)
        several = equation.primitive.multiple_results
        return [np.asarray(x) for x in (found if several else [found])]
    if name == "top_k":
        return top_k(graph, outputs, given, params)
    if name not in EMITTERS:
        raise _unknown(name)
    return [EMITTERS[name](graph, outputs[0], given, params)]


def _inline(graph: Graph, closed, given: list[Operand]) -> list[Operand]:
    consts = [np.asarray(x) for x in getattr(closed, "consts", ())]
    return _run(graph, getattr(closed, "jaxpr", closed), consts, given)


def _is_static(outputs) -> bool:
    return all(isinstance(n, int) for aval in outputs for n in aval.shape)


def _unknown(name: str) -> InputError:
    return InputError(
        f"this model computes '{name}', which ONNX export does not know. Export it as "
        "stablehlo, or write the operation in jaxsim/export/onnx_ops.py"
    )


def _drop_unread(graph: Graph, output: str) -> None:
    """Removes nodes and constants that the result does not depend on."""
    needed, kept = {output}, []
    for node in reversed(graph.nodes):
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(node.input)
    graph.nodes[:] = reversed(kept)
    graph.constants = {k: v for k, v in graph.constants.items() if k in needed}
