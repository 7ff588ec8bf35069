"""Connected components of a graph."""

import numpy as np
from jaxtyping import Bool, Float, Int


def connected_components(
    edges: Int[np.ndarray, "E 2"], *, nodes: int
) -> Int[np.ndarray, " N"]:
    """Returns of each node the smallest node that it is connected with.

    Args:
      edges: int [E, 2], the two nodes of each edge, 0 <= node < `nodes`; the order of
        the two does not matter.
      nodes: how many there are.

    >>> connected_components(np.array([[1, 3], [3, 4]]), nodes=5).tolist()
    [0, 1, 2, 1, 1]
    """
    smallest = np.arange(nodes)
    while True:
        least = smallest[edges].min(axis=1, initial=nodes)
        better = smallest.copy()
        # Not only of the node, but of the one that it points to, so that what several
        # nodes point to moves at once and long chains need few rounds.
        for end in edges.T:
            np.minimum.at(better, smallest[end], least)
            np.minimum.at(better, end, least)
        better = better[better]
        if np.array_equal(better, smallest):
            return smallest
        smallest = better


def largest_component(
    edges: Int[np.ndarray, "E 2"], weights: Float[np.ndarray, " E"], *, nodes: int
) -> Bool[np.ndarray, " N"]:
    """Returns which nodes are in the component of most nodes.

    Of equally large ones it is that of the largest sum of weights, then that of the
    smallest node.

    Args:
      edges: int [E, 2], the two nodes of each edge.
      weights: float [E], >= 0.
      nodes: how many there are.

    Returns:
      bool [N]; none if there are no edges, since a node alone agrees with nothing.
    """
    if not len(edges):
        return np.zeros(nodes, bool)
    component = connected_components(edges, nodes=nodes)
    size = np.bincount(component, minlength=nodes)
    weight = np.bincount(component[edges[:, 0]], weights, minlength=nodes)
    # `lexsort` sorts by its last key first.
    best = np.lexsort((np.arange(nodes), -weight, -size))[0]
    return component == best
