"""The network on a graph against matrices of numpy, and published numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.nn.graph import GraphNetwork, QueryEdges
from jaxsim.ops.graph import normalised, union_graph
from jaxsim.ops.neighbours import self_neighbours
from jaxsim.ops.sparse import sparse_matrix

X = np.array([[1, 0], [0.9, 0.19**0.5], [0, 1], [-0.1, 0.99**0.5]], dtype=np.float32)


def graph_of(vectors, k=2):
    return normalised(union_graph(self_neighbours(vectors, k)), self_loops=True)


def dense(graph):
    matrix = np.zeros((graph.nodes, graph.nodes))
    matrix[graph.rows, graph.columns] = graph.weights
    return matrix


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def elu(x):
    return np.where(x > 0, x, np.expm1(np.minimum(x, 0)))


def with_noise(network, adjacency, vectors, scale=0.3):
    variables = network.init(jax.random.key(0), adjacency, vectors)
    leaves, tree = jax.tree.flatten(variables)
    random = np.random.default_rng(1)
    return tree.unflatten(
        [
            np.asarray(x) + scale * random.standard_normal(x.shape).astype(np.float32)
            for x in leaves
        ]
    )


@pytest.mark.parametrize("layers", [1, 2, 4])
def test_the_forward_pass_is_the_formula(layers):
    random = np.random.default_rng(0)
    vectors = unit(random.standard_normal((11, 5))).astype(np.float32)
    graph = graph_of(vectors, 3)
    adjacency = sparse_matrix(graph)
    network = GraphNetwork(dim=5, layers=layers, gamma=0.4)
    variables = with_noise(network, adjacency, jnp.asarray(vectors))
    found = jax.jit(network.apply)(variables, adjacency, jnp.asarray(vectors))

    matrix, x, before = dense(graph), vectors.astype(np.float64), None
    for layer in range(layers):
        dense_layer = variables["params"][f"dense_{layer}"]
        z = matrix @ x @ dense_layer["kernel"] + dense_layer["bias"]
        x = elu(z) if before is None else before + 0.4 * elu(z)
        before = z
    np.testing.assert_allclose(found, unit(x), atol=1e-5)


def test_starts_near_the_identity():
    adjacency = sparse_matrix(graph_of(X))
    network = GraphNetwork(dim=64, noise=1e-2)
    layers = network.init(
        jax.random.key(0), adjacency, jnp.zeros((4, 64), jnp.float32)
    )["params"]
    for layer in layers.values():
        kernel = np.asarray(layer["kernel"])
        np.testing.assert_array_equal(np.diag(kernel), 1)
        others = kernel[~np.eye(64, dtype=bool)]
        assert others.std() == pytest.approx(1e-2, rel=0.05)
        assert not np.any(layer["bias"])


def test_the_published_example():
    adjacency = sparse_matrix(graph_of(X))
    network = GraphNetwork(dim=2, noise=0.0)
    variables = network.init(jax.random.key(0), adjacency, jnp.asarray(X))
    index = network.apply(variables, adjacency, jnp.asarray(X))
    expected = [
        (0.976746, 0.214401),
        (0.972526, 0.232792),
        (-0.049413, 0.998778),
        (-0.049607, 0.998769),
    ]
    np.testing.assert_allclose(index, expected, atol=2e-6)


def test_queries_are_rows_of_the_combined_graph_and_change_nothing():
    graph = graph_of(X)
    network = GraphNetwork(dim=2, layers=3)
    adjacency = sparse_matrix(graph)
    variables = with_noise(network, adjacency, jnp.asarray(X))
    query = np.array([[0.95, 0.0975**0.5]], np.float32)
    weights = np.array([[0.340008, 0.401875, 0.419265, 0, 0]])

    # Both together, as nodes of one graph, the query first.
    whole = np.zeros((5, 5))
    whole[0] = weights
    whole[1:, 1:] = dense(graph)
    x, before = np.concatenate([query, X]).astype(np.float64), None
    for layer in range(3):
        dense_layer = variables["params"][f"dense_{layer}"]
        z = whole @ x @ dense_layer["kernel"] + dense_layer["bias"]
        x = elu(z) if before is None else before + 0.3 * elu(z)
        before = z
    expected = unit(x)

    inputs = network.apply(variables, adjacency, jnp.asarray(X), method="inputs")
    edges = QueryEdges(
        ids=jnp.array([[1, 0]], jnp.int32),
        weights=jnp.asarray(weights[:, [2, 1]], jnp.float32),
        own=jnp.asarray(weights[:, 0], jnp.float32),
    )
    found = network.apply(
        variables, jnp.asarray(query), edges, inputs, method="queries"
    )
    np.testing.assert_allclose(found, expected[:1], atol=1e-5)
    np.testing.assert_allclose(
        network.apply(variables, adjacency, jnp.asarray(X)), expected[1:], atol=1e-5
    )
