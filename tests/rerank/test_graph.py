"""Descriptors of a trained graph: published numbers, and what must not change."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.nn.graph import GraphNetwork, QueryEdges
from jaxsim.ops.graph import union_graph
from jaxsim.ops.neighbours import nearest_neighbours, self_neighbours
from jaxsim.rerank import graph as graph_module
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


def test_only_images_that_are_new_are_searched_for(monkeypatch):
    vectors, others = unit(30), unit(3, seed=1)
    vectors[20] = vectors[4]
    graph = trained(vectors, k=4, kq=5, noise=0.2)
    asked_for = []

    def recorded(queries, *rest):
        asked_for.append(queries)
        return nearest_neighbours(queries, *rest)

    expected = graph.describe(others)
    monkeypatch.setattr("jaxsim.rerank.graph.nearest_neighbours", recorded)
    found = graph.describe(np.concatenate([vectors[2:5], others, vectors[20:21]]))
    np.testing.assert_array_equal(np.concatenate(asked_for), others)
    np.testing.assert_allclose(found[3:6], expected, atol=1e-6)
    np.testing.assert_array_equal(found[:3], graph.described[2:5])
    np.testing.assert_array_equal(found[6], graph.described[4])
    assert graph.nodes(vectors[[20, 4, 3]]).tolist() == [4, 4, 3]
    assert len(asked_for) == 1
    # The last digits differ where another program computed the same descriptors.
    close = vectors[7:8] * np.float32(1 + 1e-6)
    assert graph.nodes(close).tolist() == [7] and len(asked_for) == 2
    assert graph.describe(vectors[:0]).shape == (0, 6)


def test_other_parameters_share_what_has_none_and_its_programs():
    vectors, others = unit(30), unit(3, seed=1)
    graph = trained(vectors, k=4, kq=5, noise=0.2)
    before = graph.describe(others)
    programs = (
        graph_module._inputs._cache_size(),
        graph_module._of_queries._cache_size(),
    )
    variables = jax.tree.map(lambda x: 1.1 * x, graph.variables)
    other = graph.with_variables(variables)
    assert other.adjacency is graph.adjacency and other._rows is graph._rows
    found = other.describe(others)
    fresh = TrainedGraph(
        network=graph.network,
        variables=variables,
        vectors=vectors,
        graph=graph.graph,
        query_neighbours=5,
    )
    np.testing.assert_array_equal(found, fresh.describe(others))
    np.testing.assert_array_equal(other.described, fresh.described)
    assert not np.allclose(found, before, atol=1e-4)
    assert programs == (
        graph_module._inputs._cache_size(),
        graph_module._of_queries._cache_size(),
    )


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


def test_queries_may_have_neighbours_of_their_own():
    vectors, others = unit(30), unit(4, seed=1)
    graph = trained(vectors, k=4, kq=2, noise=0.2)
    nearest = nearest_neighbours(others, vectors, 2).ids
    expected = graph.describe(others)
    np.testing.assert_allclose(graph.describe(others, nearest), expected, atol=1e-6)
    # Of longer lists the first kq count, and -1 is nobody.
    lists = np.array([[7, 3, 9], [5, -1, -1], [-1, -1, -1], [3, 7, 1]], np.int32)
    found = graph.describe(others, lists)
    for row, ids in enumerate([[7, 3], [5], [], [3, 7]]):
        weights = np.maximum(vectors[ids] @ others[row], 0).astype(np.float64)
        degrees = 1 + graph.graph.degrees()
        own = 1 + weights.sum()
        edges = QueryEdges(
            ids=jnp.asarray([[*ids, 0, 0][:2]], jnp.int32),
            weights=jnp.asarray(
                [[*(weights / np.sqrt(own * degrees[ids])), 0, 0][:2]], jnp.float32
            ),
            own=jnp.asarray([1 / own], jnp.float32),
        )
        alone = graph._of_queries(others[row : row + 1], edges)[0]
        np.testing.assert_allclose(found[row], alone, atol=1e-6)
    # Images of the index keep theirs, whatever is listed.
    listed = graph.describe(vectors[:2], lists[:2])
    np.testing.assert_array_equal(listed, graph.described[:2])


def test_verified_results_are_the_neighbours_of_a_query():
    vectors, query = unit(12), unit(1, seed=2)
    graph = trained(vectors, k=3, kq=1, noise=0.2)
    far = int(np.argmin(vectors @ query[0]))
    # The gallery has an image that is no node, in front.
    gallery = Gallery(np.concatenate([unit(1, seed=3), vectors]), np.ones(13, bool))
    looked_at = []

    def verification(rows, ids):
        looked_at.append((rows.tolist(), ids.shape))
        # The image that is no node, then the farthest.
        first = [0, far + 1]
        others = [i for i in ids[0].tolist() if i not in first]
        return np.array([first + others], np.int32)

    stage = GraphReranking(trained=graph, verification=verification, candidates=13)
    prepared = stage.prepare(gallery)
    assert stage.reach == 13
    asked = Asked(query, np.array([5]))
    after, _ = stage(asked, gallery.search(query, 13), prepared)
    expected = graph.describe(query, np.array([[far]], np.int32))
    np.testing.assert_allclose(after.vectors, expected, atol=1e-6)
    assert looked_at == [([5], (1, 13))]
    # An image of the index has its descriptor, and its points are not looked at.
    inside = Asked(vectors[4:5], np.array([0]))
    after, _ = stage(inside, gallery.search(inside.vectors, 13), prepared)
    np.testing.assert_array_equal(after.vectors, graph.described[4:5])
    assert len(looked_at) == 1


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
