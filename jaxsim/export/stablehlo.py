"""StableHLO: a program that JAX runs without jaxsim, on CPUs, GPUs and TPUs."""

import datetime
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jax import export

from jaxsim.core.errors import MissingExtraError
from jaxsim.core.files import atomic_write
from jaxsim.export.program import Program

STABLEHLO_FILE = "model.stablehlo"
PLATFORMS = ("cpu", "cuda", "tpu")
PROMISED_DAYS = 182
"""JAX promises to read exports for six months."""


def readable_until() -> str:
    """Returns the date until which JAX promises to read what is exported today."""
    until = datetime.date.today() + datetime.timedelta(days=PROMISED_DAYS)
    return until.isoformat()


def write_stablehlo(program: Program, path: Path) -> None:
    """Writes a program, its parameters inside, for batches of any size.

    Products are of full float32 on every platform, so that all give the same numbers.

    Raises:
      MissingExtraError: the package flatbuffers is not installed.
    """
    _require_flatbuffers()

    variables = jax.tree.map(jnp.asarray, program.variables)

    def call(*arrays):
        return program.function(variables, *arrays)

    with jax.default_matmul_precision("highest"):
        exported = export.export(jax.jit(call), platforms=PLATFORMS)(*program.shapes())
    with atomic_write(path) as file:
        file.write(exported.serialize())


def run_stablehlo(path: Path) -> Callable[[dict[str, np.ndarray]], np.ndarray]:
    """Opens what `write_stablehlo` wrote.

    Args:
      path: the file.

    Returns:
      A function from the inputs, by name and in the order of the program, to the
      output.

    Raises:
      MissingExtraError: the package flatbuffers is not installed.
    """
    _require_flatbuffers()
    exported = export.deserialize(bytearray(path.read_bytes()))
    compiled = jax.jit(exported.call)
    return lambda arrays: np.asarray(compiled(*arrays.values()))


def _require_flatbuffers() -> None:
    if find_spec("flatbuffers") is None:
        raise MissingExtraError("flatbuffers", "stablehlo")
