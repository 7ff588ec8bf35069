"""Descriptors of a trained graph: published numbers, and what must not change."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.nn.graph import GraphNetwork
from jaxsim.ops.graph import union_graph
from jaxsim.ops.neighbours import nearest_neighbours, self_neighbours
from jaxsim.rerank.base import Asked, Gallery
from jaxsim.rerank.graph import GraphReranking, TrainedGraph

X = np.array([[1, 0], [0.9, 0.19**0.5], [0, 1], [-0.1, 0.99**0.5]], dtype=np.float32)
QUERY = np.array([[0.95, 0.0975**0.5]], np.float32)


def unit(rows, dim=6, seed=0):
    vectors = np.random.default_rng(seed).standard_normal((rows, dim))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32)


def trained(vectors, *, k=2, kq=2, noise=0.0) -> TrainedGraph:
    network = GraphNetwork(dim=vectors.shape[1], noise=noise)
    graph = union_graph(self_neighbours(vectors, k))
    parts = {
        "network": network,
        "vectors": vectors,
        "graph": graph,
        "query_neighbours": kq,
    }
    empty = TrainedGraph(variables={}, **parts)
    variables = network.init(jax.random.key(0), empty.adjacency, jnp.asarray(vectors))
    return TrainedGraph(variables=variables, **parts)


def test_the_published_query():
    graph = trained(X)
    edges = graph.edges(nearest_neighbours(QUERY, X, 2))
    assert edges.ids.tolist() == [[1, 0]]
    np.testing.assert_allclose(edges.weights, [[0.419265, 0.401875]], atol=1e-6)
    np.testing.assert_allclose(edges.own, [0.340008], atol=1e-6)
    described = graph.describe(QUERY)
    np.testing.assert_allclose(described, [[0.968553, 0.248807]], atol=2e-6)
    np.testing.assert_allclose(
        described @ graph.described.T,
        [[0.999375, 0.999864, 0.200644, 0.200454]],
        atol=2e-6,
    )


def test_images_of_the_index_keep_their_descriptors_and_new_ones_change_none():
    vectors = unit(30)
    graph = trained(vectors, k=4, kq=5, noise=0.2)
    before = graph.described.copy()
    others = unit(7, seed=1)
    mixed = np.concatenate([others[:3], vectors[10:14], others[3:]])
    found = graph.describe(mixed)
    np.testing.assert_array_equal(found[3:7], before[10:14])
    np.testing.assert_array_equal(graph.described, before)
    # Each is answered alone, whatever is asked beside it.
    for row in (0, 8):
        np.testing.assert_allclose(
            graph.describe(mixed[row : row + 1])[0], found[row], atol=1e-6
        )
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)


def test_more_neighbours_than_images():
    graph = trained(X, k=9, kq=9)
    assert np.isfinite(graph.describe(QUERY)).all()


def test_a_query_unlike_everything_is_itself():
    graph = trained(X)
    opposite = np.array([[-0.6, -0.8]], np.float32)
    edges = graph.edges(nearest_neighbours(opposite, X, 2))
    assert not np.any(edges.weights) and edges.own.tolist() == [1]
    assert np.isfinite(graph.describe(opposite)).all()


def test_the_stage_ranks_by_new_descriptors():
    vectors = unit(40)
    graph = trained(vectors, k=4, kq=3, noise=0.1)
    live = np.ones(40, bool)
    live[5] = False
    added = unit(3, seed=3)
    gallery = Gallery(
        np.concatenate([vectors, added]), np.concatenate([live, np.ones(3, bool)])
    )
    stage = GraphReranking(trained=graph)
    prepared = stage.prepare(gallery)
    queries = unit(2, seed=2)
    asked = Asked(queries, np.arange(2))
    after, ranking = stage(asked, gallery.search(queries, 43), prepared)
    assert ranking.ids.shape == (2, 43)
    np.testing.assert_array_equal(after.rows, asked.rows)
    new = np.concatenate([graph.described, graph.describe(added)])
    scores = graph.describe(queries) @ new.T
    scores[:, 5] = -np.inf
    order = np.argsort(-scores, axis=1, kind="stable")
    np.testing.assert_array_equal(ranking.ids[:, :42], order[:, :42])
    assert (ranking.ids[:, 42] == -1).all()


def test_bad_input():
    with pytest.raises(InputError, match="do not fit"):
        graph = trained(X)
        TrainedGraph(
            network=GraphNetwork(dim=3),
            variables={},
            vectors=X,
            graph=graph.graph,
            query_neighbours=2,
        )
    with pytest.raises(InputError, match="at least one"):
        trained(X, kq=0)
    with pytest.raises(InputError, match="dimensions"):
        GraphReranking(trained=trained(X)).prepare(Gallery(unit(4), np.ones(4, bool)))
    with pytest.raises(InputError, match="NaN"):
        trained(X).describe(np.array([[np.nan, 1]], np.float32))
