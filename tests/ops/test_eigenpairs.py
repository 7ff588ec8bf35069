import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.ops.eigenpairs import largest_eigenpairs
from jaxsim.ops.graph import from_edges, normalised
from jaxsim.ops.sparse import sparse_matrix

RNG = np.random.default_rng(0)


def clustered(groups, size, *, lonely=0):
    """A graph of dense groups, weakly joined in a ring, and of nodes without edges."""
    nodes = groups * size + lonely
    dense = np.zeros((nodes, nodes))
    for group in range(groups):
        rows = slice(group * size, (group + 1) * size)
        dense[rows, rows] = RNG.uniform(0.5, 1, (size, size))
        following = (group + 1) % groups * size
        dense[group * size, following] = 0.3 * (1 + group / groups)
    dense = np.triu(dense + dense.T, 1)
    dense += dense.T
    rows, columns = np.nonzero(dense)
    graph = from_edges(rows, columns, dense[rows, columns], nodes=nodes)
    graph = normalised(graph, self_loops=False)
    dense[graph.rows, graph.columns] = graph.weights
    return graph, dense


@pytest.mark.parametrize("lonely", [0, 120])
def test_the_largest_eigenvalues_and_their_vectors(lonely):
    graph, dense = clustered(12, 20, lonely=lonely)
    values, vectors = largest_eigenpairs(sparse_matrix(graph), 12)
    expected = np.linalg.eigvalsh(dense)[::-1][:12]
    np.testing.assert_allclose(values, expected, atol=1e-4)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(12), atol=1e-5)
    np.testing.assert_allclose(dense @ vectors, vectors * values, atol=2e-3)


def test_all_eigenvalues_rebuild_the_matrix():
    graph, dense = clustered(3, 5)
    values, vectors = largest_eigenpairs(sparse_matrix(graph), 100)
    assert values.shape == (15,) and (np.diff(values) <= 0).all()
    np.testing.assert_allclose((vectors * values) @ vectors.T, dense, atol=1e-6)


def test_a_graph_without_edges():
    graph = from_edges(np.zeros(0, int), np.zeros(0, int), np.zeros(0), nodes=90)
    values, vectors = largest_eigenpairs(sparse_matrix(graph), 3)
    np.testing.assert_allclose(values, 0, atol=1e-6)
    assert np.isfinite(vectors).all()


def test_no_eigenvalue_is_refused():
    graph, _ = clustered(3, 5)
    with pytest.raises(InputError, match="at least 1 eigenvalue; got 0"):
        largest_eigenpairs(sparse_matrix(graph), 0)
