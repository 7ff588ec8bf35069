"""Graphs of neighbours, and how their weights are normalised."""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float32, Float64, Int32

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import MISSING_ID
from jaxsim.ops.neighbours import Neighbours


@dataclass(frozen=True, eq=False)
class Graph:
    """Weighted edges from rows to columns, each once, sorted by row and column.

    It lies in the host's memory; `ops/sparse.py` makes a matrix of a device of it.

    Attributes:
      rows: int32 [E].
      columns: int32 [E].
      weights: float32 [E].
      nodes: N; 0 <= rows, columns < N.
    """

    rows: Int32[np.ndarray, " E"]
    columns: Int32[np.ndarray, " E"]
    weights: Float32[np.ndarray, " E"]
    nodes: int

    def degrees(self) -> Float64[np.ndarray, " N"]:
        """Returns the sum of the weights of each row, summed in float64."""
        sums = np.bincount(self.rows, self.weights, minlength=self.nodes)
        return sums.astype(np.float64)  # whole numbers if there are no edges

    def to_power(self, exponent: int | float) -> "Graph":
        """Returns the graph with every weight, >= 0, to a power."""
        return replace(self, weights=self.weights ** np.float32(exponent))


def from_edges(
    rows: np.ndarray, columns: np.ndarray, weights: np.ndarray, *, nodes: int
) -> Graph:
    """Sorts edges; of equal ones that of the largest weight is kept.

    Args:
      rows: int [E].
      columns: int [E].
      weights: float [E], finite.
      nodes: N.

    Raises:
      InputError: an edge leads out of the graph, or a weight is not finite.
    """
    for ends in (rows, columns):
        if len(ends) and not 0 <= ends.min() <= ends.max() < nodes:
            raise InputError(
                f"an edge between the nodes {ends.min()} and {ends.max()} does not fit "
                f"a graph of {nodes} nodes, which are 0 to {nodes - 1}"
            )
    if not np.isfinite(weights).all():
        raise InputError("a weight of the graph is NaN or infinite")
    weights = weights.astype(np.float32)
    codes = rows.astype(np.int64) * nodes + columns
    order = np.lexsort((-weights, codes))
    codes, weights = codes[order], weights[order]
    first = np.ones(len(codes), bool)
    first[1:] = codes[1:] != codes[:-1]
    rows, columns = np.divmod(codes[first], max(nodes, 1))
    return Graph(rows.astype(np.int32), columns.astype(np.int32), weights[first], nodes)


def union_graph(neighbours: Neighbours) -> Graph:
    """Joins two rows if one is among the neighbours of the other.

    Both directions get the score as their weight. Edges from a row to itself are left
    out, and so are scores that are not above 0, as if cut off there.

    Args:
      neighbours: of the N rows among themselves.

    Source: Liu et al. 2019; the cut keeps degrees from being negative.
    """
    low, high, weights = _pairs(neighbours)[:3]
    return _both_ways(low, high, weights, nodes=len(neighbours.ids))


def mutual_graph(neighbours: Neighbours) -> Graph:
    """Joins two rows if each is among the neighbours of the other.

    Else it is as `union_graph`.

    Args:
      neighbours: of the N rows among themselves.

    Source: Iscen et al. 2017.
    """
    nodes = len(neighbours.ids)
    low, high, weights, upwards = _pairs(neighbours)
    codes = low.astype(np.int64) * nodes + high
    mutual = np.isin(codes, np.intersect1d(codes[upwards], codes[~upwards]))
    return _both_ways(low[mutual], high[mutual], weights[mutual], nodes=nodes)


def normalised(graph: Graph, *, self_loops: bool) -> Graph:
    """Scales the weight of each edge by the degrees of both its ends.

    Â = D^-1/2 (A + I) D^-1/2 with self-loops, D^-1/2 A D^-1/2 without, where D holds
    the sums of rows, also if A is not symmetric. Edges of nodes of degree 0 get weight
    0.

    Args:
      graph: A, with weights >= 0.
      self_loops: add I first, in place of any edges from a node to itself.

    Source: Kipf and Welling 2017; Iscen et al. 2017 without self-loops.
    """
    if self_loops:
        other = graph.rows != graph.columns
        nodes = np.arange(graph.nodes)
        graph = from_edges(
            np.concatenate([graph.rows[other], nodes]),
            np.concatenate([graph.columns[other], nodes]),
            np.concatenate([graph.weights[other], np.ones(graph.nodes)]),
            nodes=graph.nodes,
        )
    degrees = graph.degrees()
    scale = 1 / np.sqrt(np.where(degrees > 0, degrees, np.inf))
    # Both factors first, so that what was symmetric stays so to the last bit.
    weights = graph.weights * (scale[graph.rows] * scale[graph.columns])
    return replace(graph, weights=weights.astype(np.float32))


def _pairs(neighbours: Neighbours):
    """Returns both nodes of each listed pair, its score, and which is the lower's."""
    ids, scores = neighbours
    kept = (ids != MISSING_ID) & (scores > 0)
    rows, places = np.nonzero(kept)
    columns, weights = ids[rows, places], scores[rows, places]
    other = rows != columns
    rows, columns, weights = rows[other], columns[other], weights[other]
    return np.minimum(rows, columns), np.maximum(rows, columns), weights, rows < columns


def _both_ways(low, high, weights, *, nodes: int) -> Graph:
    # Sums of other orders may differ in the last bit; both ways must not.
    half = from_edges(low, high, weights, nodes=nodes)
    return from_edges(
        np.concatenate([half.rows, half.columns]),
        np.concatenate([half.columns, half.rows]),
        np.concatenate([half.weights, half.weights]),
        nodes=nodes,
    )
