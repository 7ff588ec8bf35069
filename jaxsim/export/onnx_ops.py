"""JAX's primitives as operations of ONNX.

Each function adds what one primitive computes to a graph and returns the result. What
is missing here is refused by name, so that a file is never silently wrong.
"""

from jaxsim.export.onnx_arithmetic import ARITHMETIC
from jaxsim.export.onnx_arrays import ARRAYS
from jaxsim.export.onnx_graph import Emit
from jaxsim.export.onnx_lookups import LOOKUPS
from jaxsim.export.onnx_reductions import REDUCTIONS

EMITTERS: dict[str, Emit] = {**ARITHMETIC, **ARRAYS, **REDUCTIONS, **LOOKUPS}
"""Primitive -> what adds it to a graph."""
