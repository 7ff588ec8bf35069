"""Components against a walk through the graph, node by node."""

import numpy as np
import pytest

from jaxsim.ops.components import connected_components, largest_component


def reached(start, edges):
    """Returns all nodes that a walk from one reaches."""
    found, waiting = {start}, [start]
    while waiting:
        node = waiting.pop()
        for a, b in edges:
            for here, there in ((a, b), (b, a)):
                if here == node and there not in found:
                    found.add(there)
                    waiting.append(there)
    return found


@pytest.mark.parametrize("seed", range(12))
def test_random_graphs(seed):
    rng = np.random.default_rng(seed)
    nodes = int(rng.integers(1, 30))
    edges = rng.integers(0, nodes, (int(rng.integers(0, nodes + 1)), 2))
    expected = [min(reached(node, edges.tolist())) for node in range(nodes)]
    assert connected_components(edges, nodes=nodes).tolist() == expected

    weights = rng.integers(1, 4, len(edges)).astype(float)
    kept = largest_component(edges, weights, nodes=nodes)
    groups = {frozenset(reached(node, edges.tolist())) for node in range(nodes)}

    def rank(group):
        inside = [w for (a, _), w in zip(edges, weights, strict=True) if a in group]
        return len(group), sum(inside), -min(group)

    best = max(groups, key=rank) if len(edges) else set()
    assert set(np.flatnonzero(kept).tolist()) == set(best)


@pytest.mark.parametrize("order", ["rising", "falling", "random"])
def test_a_long_chain(order):
    nodes = 2000
    names = np.arange(nodes)
    if order == "falling":
        names = names[::-1]
    if order == "random":
        names = np.random.default_rng(0).permutation(nodes)
    edges = np.stack([names[:-1], names[1:]], axis=1)
    assert not connected_components(edges, nodes=nodes).any()


def test_of_equal_sizes_the_heavier_then_the_first_is_largest():
    edges = np.array([[0, 1], [2, 3], [4, 5]])
    heavier = largest_component(edges, np.array([1.0, 3.0, 2.0]), nodes=7)
    assert np.flatnonzero(heavier).tolist() == [2, 3]
    first = largest_component(edges, np.array([1.0, 2.0, 2.0]), nodes=7)
    assert np.flatnonzero(first).tolist() == [2, 3]


def test_without_edges_nothing_is_kept():
    nothing = np.zeros((0, 2), np.int64)
    assert connected_components(nothing, nodes=3).tolist() == [0, 1, 2]
    assert not largest_component(nothing, np.zeros(0), nodes=3).any()
