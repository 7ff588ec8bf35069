"""Graphs against loops over dictionaries, and published numbers."""

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.ops.graph import from_edges, mutual_graph, normalised, union_graph
from jaxsim.ops.neighbours import Neighbours, self_neighbours

EXAMPLE = np.array(
    [[1, 0], [0.9, 0.19**0.5], [0, 1], [-0.1, 0.99**0.5]], dtype=np.float32
)


def dense(graph):
    matrix = np.zeros((graph.nodes, graph.nodes))
    for i, j, weight in zip(graph.rows, graph.columns, graph.weights, strict=True):
        assert matrix[i, j] == 0, "an edge is listed twice"
        matrix[i, j] = weight
    return matrix


def looped(neighbours, *, mutual):
    """The weights that lists of neighbours give, pair by pair."""
    count = len(neighbours.ids)
    listed = [
        {int(j): float(s) for j, s in zip(ids, scores, strict=True) if j >= 0}
        for ids, scores in zip(*neighbours, strict=True)
    ]
    matrix = np.zeros((count, count))
    for i in range(count):
        for j in range(count):
            ways = (j in listed[i]) + (i in listed[j])
            if i != j and ways >= 1 + mutual:
                scores = listed[i].get(j, -1), listed[j].get(i, -1)
                matrix[i, j] = max(0, *scores)
    return matrix


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("k", [1, 2, 5, 40])
@pytest.mark.parametrize("mutual", [False, True])
def test_graphs_are_those_of_a_loop(seed, k, mutual):
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((25, 3)).astype(np.float32)
    vectors[5] = vectors[6] = vectors[7]
    live = random.random(25) < 0.9
    found = self_neighbours(vectors, k, live=live)
    graph = (mutual_graph if mutual else union_graph)(found)
    matrix = dense(graph)
    np.testing.assert_array_equal(matrix, matrix.T)
    np.testing.assert_allclose(matrix, looped(found, mutual=mutual), rtol=1e-6)
    codes = graph.rows * 25 + graph.columns
    assert (np.diff(codes) > 0).all() and (graph.weights > 0).all()


@pytest.mark.parametrize("self_loops", [True, False])
def test_normalising_is_the_formula(self_loops):
    random = np.random.default_rng(3)
    matrix = random.random((9, 9)) * (random.random((9, 9)) < 0.3)
    np.fill_diagonal(matrix, 0)
    matrix[4] = matrix[:, 4] = 0
    rows, columns = np.nonzero(matrix)
    graph = from_edges(rows, columns, matrix[rows, columns], nodes=9)
    if self_loops:
        matrix = matrix + np.eye(9)
    degree = matrix.sum(axis=1)
    expected = np.zeros((9, 9))
    for i in range(9):
        for j in range(9):
            if degree[i] > 0 and degree[j] > 0:
                expected[i, j] = matrix[i, j] / (degree[i] * degree[j]) ** 0.5
    found = normalised(graph, self_loops=self_loops)
    np.testing.assert_allclose(dense(found), expected, rtol=1e-6)


def test_a_symmetric_graph_stays_so_to_the_last_bit():
    vectors = np.random.default_rng(0).standard_normal((200, 3)).astype(np.float32)
    graph = normalised(union_graph(self_neighbours(vectors, 9)), self_loops=True)
    matrix = dense(graph)
    np.testing.assert_array_equal(matrix, matrix.T)


def test_the_published_example():
    graph = union_graph(self_neighbours(EXAMPLE, 2))
    assert list(zip(graph.rows.tolist(), graph.columns.tolist(), strict=True)) == [
        (0, 1),
        (1, 0),
        (2, 3),
        (3, 2),
    ]
    np.testing.assert_allclose(graph.weights, [0.9, 0.9, 0.994987, 0.994987], rtol=1e-6)
    scaled = dense(normalised(graph, self_loops=True))
    np.testing.assert_allclose(scaled[0, :2], [0.526316, 0.473684], atol=1e-6)
    np.testing.assert_allclose(scaled[2, 3], 0.498744, atol=1e-6)


def test_the_published_example_of_diffusion():
    graph = mutual_graph(self_neighbours(EXAMPLE, 3)).to_power(3)
    weights = dense(graph)
    np.testing.assert_allclose(
        [weights[0, 1], weights[1, 2], weights[2, 3]],
        [0.729, 0.082819, 0.985038],
        atol=1e-6,
    )
    assert (weights > 0).sum() == 6


def test_only_the_largest_of_equal_edges_is_kept():
    graph = from_edges(
        np.array([2, 0, 2]), np.array([1, 1, 1]), np.array([0.5, 1, 2.0]), nodes=3
    )
    assert dense(graph).tolist() == [[0, 1, 0], [0, 0, 0], [0, 2, 0]]


def test_without_edges():
    missing = Neighbours(
        np.full((3, 2), -1, np.int32), np.full((3, 2), -np.inf, np.float32)
    )
    for make in (union_graph, mutual_graph):
        graph = make(missing)
        assert len(graph.rows) == 0 and graph.nodes == 3
        assert len(normalised(graph, self_loops=False).rows) == 0
        assert dense(normalised(graph, self_loops=True)).tolist() == np.eye(3).tolist()


def test_bad_edges():
    ends = np.array([0, 1])
    with pytest.raises(InputError, match="0 to 1"):
        from_edges(ends, ends + 1, np.ones(2), nodes=2)
    with pytest.raises(InputError, match="0 to 1"):
        from_edges(ends - 1, ends, np.ones(2), nodes=2)
    with pytest.raises(InputError, match="NaN"):
        from_edges(ends, ends, np.array([1, np.nan]), nodes=2)
