"""Linear systems on parts of a graph, a part of its own for each right-hand side."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float32, Int32

from jaxsim.core.ranking import MISSING_ID
from jaxsim.ops.conjugate_gradient import conjugate_gradient
from jaxsim.ops.graph import Graph
from jaxsim.rerank.linear_system import Solver

_AT_ONCE_ON_GPU = 16


class NeighbourLists(NamedTuple):
    """The edges of a graph, as many places for each node as the most that one has.

    Attributes:
      ids: int32 [W, N], of neighbours; N where there is none.
      weights: float32 [W, N]; 0 where there is none.
    """

    ids: Int32[Array, "W N"]
    weights: Float32[Array, "W N"]


def neighbour_lists(graph: Graph) -> NeighbourLists:
    """Puts the edges of a graph of few edges a node on the device."""
    counts = np.bincount(graph.rows, minlength=graph.nodes)
    first = np.cumsum(counts) - counts
    places = np.arange(len(graph.rows)) - first[graph.rows]
    # One place at the least, so that a graph without edges has the shape of others.
    shape = int(counts.max(initial=1)), graph.nodes
    ids = np.full(shape, graph.nodes, np.int32)
    weights = np.zeros(shape, np.float32)
    ids[places, graph.rows] = graph.columns
    weights[places, graph.rows] = graph.weights
    return NeighbourLists(jnp.asarray(ids), jnp.asarray(weights))


def solve_within(
    lists: NeighbourLists,
    nodes: Int32[np.ndarray, "B T"],
    right: Float32[np.ndarray, "B T"],
    solver: Solver,
    *,
    normalise: bool,
) -> Float32[np.ndarray, "B T"]:
    """Solves (I - αS) f = y where S are the edges among some of the nodes.

    Args:
      lists: the whole graph.
      nodes: int32 [B, T], those of each part, each once; -1 stands for none.
      right: float32 [B, T], y of each part; 0 where there is no node.
      solver: α, and when to stop.
      normalise: divide each weight by the root of the degrees of both its ends within
        the part; else the weights are those of S.
    """
    return np.asarray(
        _solve_within(
            lists,
            jnp.asarray(nodes),
            jnp.asarray(right),
            solver.alpha,
            normalise=normalise,
            iterations=solver.iterations,
            tolerance=solver.tolerance,
        )
    )


@partial(jax.jit, static_argnames=("normalise", "iterations", "tolerance"))
def _solve_within(lists, nodes, right, alpha, *, normalise, iterations, tolerance):
    whole, (here,) = lists.ids.shape[1], nodes.shape[1:]

    def solve(part):
        nodes, right = part
        # Missing nodes are written to, and neighbours elsewhere read from, a spare end.
        at = jnp.where(nodes == MISSING_ID, whole, nodes)
        place = (
            jnp.full(whole + 1, here).at[at].set(jnp.arange(here)).at[whole].set(here)
        )
        inside = at[None] < whole
        own = jnp.minimum(at, whole - 1)
        ids = jnp.where(inside, place[lists.ids[:, own]], here)
        weights = jnp.where(ids < here, lists.weights[:, own], 0)
        ids = jnp.minimum(ids, here - 1)
        if normalise:
            degrees = weights.sum(axis=0)
            scale = jax.lax.rsqrt(jnp.where(degrees > 0, degrees, jnp.inf))
            weights = weights * scale[None] * scale[ids]

        def apply(x):
            def add(i, total):
                return total + weights[i][:, None] * x[ids[i]]

            spread = jax.lax.fori_loop(0, len(ids), add, jnp.zeros_like(x))
            return x - alpha * spread

        return conjugate_gradient(
            apply, right[:, None], iterations=iterations, tolerance=tolerance
        )[:, 0]

    at_once = None if jax.default_backend() == "cpu" else _AT_ONCE_ON_GPU
    return jax.lax.map(solve, (nodes, right), batch_size=at_once)
