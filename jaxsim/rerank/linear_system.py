"""The linear system of diffusion, for many queries at once."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float32

from jaxsim.core.errors import InputError
from jaxsim.ops.conjugate_gradient import conjugate_gradient
from jaxsim.ops.sparse import SparseMatrix


@dataclass(frozen=True, kw_only=True)
class Solver:
    """Solves (I - αS) f = y by conjugate gradients.

    Attributes:
      alpha: α, how much is passed on rather than kept, 0 <= α < 1.
      iterations: at most so many.
      tolerance: of the residual, against the right-hand side.

    Raises:
      InputError: an option is out of range.

    Source: Iscen et al. 2017, section 3 and its published code.
    """

    alpha: float = 0.99
    iterations: int = 20
    tolerance: float = 1e-6

    def __post_init__(self):
        if not 0 <= self.alpha < 1 or self.iterations < 1 or not self.tolerance >= 0:
            raise InputError(
                "diffusion needs 0 <= alpha < 1, iterations >= 1 and tolerance >= 0; "
                f"got alpha={self.alpha}, iterations={self.iterations} and "
                f"tolerance={self.tolerance}"
            )


def columns_at_once() -> int:
    """Returns how many systems are solved together, by the caches of a CPU."""
    return 64 if jax.default_backend() == "cpu" else 1024


def solve(
    matrix: SparseMatrix,
    right: Float32[np.ndarray, "q N"],
    solver: Solver,
    *,
    most: int,
) -> Float32[np.ndarray, "q N"]:
    """Returns f of (I - αS) f = y for each row of y.

    Args:
      matrix: S.
      right: float32 [q, N], q <= `most`.
      solver: α, and when to stop.
      most: number of rows that a program is compiled for; fewer are padded.
    """
    # One query alone is not to wait for many.
    width = most if len(right) > 1 else 1
    padded = np.pad(right, ((0, width - len(right)), (0, 0)))
    solved = _solve(
        matrix,
        jnp.asarray(padded.T),
        solver.alpha,
        iterations=solver.iterations,
        tolerance=solver.tolerance,
    )
    return np.asarray(solved)[:, : len(right)].T


@partial(jax.jit, static_argnames=("iterations", "tolerance"))
def _solve(
    matrix: SparseMatrix,
    right: Float32[Array, "N B"],
    alpha: Float32[Array, ""] | float,
    *,
    iterations: int,
    tolerance: float,
) -> Float32[Array, "N B"]:
    return conjugate_gradient(
        lambda x: x - alpha * (matrix @ x),
        right,
        iterations=iterations,
        tolerance=tolerance,
    )
