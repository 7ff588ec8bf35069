"""Diffusion in all its forms against the specification's numbers and dense algebra."""

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import Ranking
from jaxsim.rerank import linear_system, spectral
from jaxsim.rerank.affinity import Affinity, rank_reached
from jaxsim.rerank.diffusion import Diffusion
from jaxsim.rerank.linear_system import Solver
from jaxsim.rerank.offline_diffusion import OfflineDiffusion
from jaxsim.rerank.spectral import SpectralRanking
from tests.rerank.test_expansion import QUERY, X, asked, gallery_of, unit

RNG = np.random.default_rng(0)
IMAGES, QUERIES = unit(RNG, 40), unit(RNG, 5)
K, KQ, ALPHA = 8, 3, 0.9
AFFINITY = Affinity(k=K, kq=KQ)
EXACT = Solver(alpha=ALPHA, iterations=200, tolerance=1e-7)


def scores_by_row(stage, vectors, queries):
    """What reaches each image, by row; nothing where the cosine stands instead."""
    gallery = gallery_of(vectors)
    first = gallery.search(queries, len(vectors))
    found = stage(asked(queries), first, stage.prepare(gallery))[1]
    scores = np.empty_like(found.scores)
    np.put_along_axis(scores, found.ids, found.scores, axis=1)
    return np.maximum(scores, 0)


def naive_weights(vectors, k, gamma=3.0):
    """Weights between mutual neighbours, pair by pair."""
    count = len(vectors)
    lists = []
    for i in range(count):
        others = sorted(
            (j for j in range(count) if j != i),
            key=lambda j: (-float(vectors[i] @ vectors[j]), j),
        )
        lists.append([i, *others[: k - 1]])
    weights = np.zeros((count, count))
    for i in range(count):
        for j in range(count):
            if i != j and j in lists[i] and i in lists[j]:
                weights[i, j] = max(float(vectors[i] @ vectors[j]), 0) ** gamma
    return weights


def naive_normalised(weights):
    result = np.zeros_like(weights)
    degrees = weights.sum(axis=1)
    for i in range(len(weights)):
        for j in range(len(weights)):
            if weights[i, j] > 0:
                result[i, j] = weights[i, j] / np.sqrt(degrees[i] * degrees[j])
    return result


def naive_entry(vectors, query, kq, gamma=3.0):
    cosines = vectors @ query
    entry = np.zeros(len(vectors))
    for j in np.argsort(-cosines, kind="stable")[:kq]:
        entry[j] = max(float(cosines[j]), 0) ** gamma
    return entry


def naive_diffusion(vectors, queries):
    matrix = naive_normalised(naive_weights(vectors, K))
    system = np.eye(len(vectors)) - ALPHA * matrix
    return np.array(
        [np.linalg.solve(system, naive_entry(vectors, q, KQ)) for q in queries]
    )


def test_the_example_of_the_specification():
    expected = [[43.5849, 45.5448, 41.8158, 39.7599]]
    affinity = Affinity(k=3, kq=2)
    found = scores_by_row(Diffusion(affinity=affinity), X, QUERY)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    found = scores_by_row(OfflineDiffusion(affinity=affinity), X, QUERY)
    np.testing.assert_allclose(found, expected, rtol=1e-4)
    for hybrid in (False, True):
        stage = SpectralRanking(affinity=affinity, rank=4, hybrid=hybrid)
        found = scores_by_row(stage, X, QUERY)
        np.testing.assert_allclose(found, 0.01 * np.array(expected), rtol=1e-4)


def test_the_entry_and_the_weights_of_the_specification():
    gallery = gallery_of(X)
    affinity = Affinity(k=3, kq=2)
    graph = affinity.graph(gallery)
    found = {
        (int(i), int(j)): float(w)
        for i, j, w in zip(graph.rows, graph.columns, graph.weights, strict=True)
        if i < j
    }
    assert found == pytest.approx({(0, 1): 0.729, (1, 2): 0.082819, (2, 3): 0.985038})
    ids, weights = affinity.entry(gallery.search(QUERY, 4))
    assert dict(zip(ids[0].tolist(), weights[0].tolist(), strict=True)) == (
        pytest.approx({0: 0.857375, 1: 0.973556})
    )


@pytest.mark.parametrize("most", [2, 64])
def test_diffusion_equals_dense_algebra(most, monkeypatch):
    monkeypatch.setattr("jaxsim.rerank.diffusion.columns_at_once", lambda: most)
    stage = Diffusion(affinity=AFFINITY, solver=EXACT)
    found = scores_by_row(stage, IMAGES, QUERIES)
    expected = naive_diffusion(IMAGES, QUERIES)
    assert (expected > 1e-3).mean() > 0.5
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("hybrid", [None, False, True])
def test_blocks_are_not_padded_past_their_bound(hybrid, monkeypatch):
    monkeypatch.setattr("jaxsim.rerank.affinity._SCORES_AT_ONCE", 3 * len(IMAGES))
    widths = []

    def recorded(module, name, width):
        original = getattr(module, name)

        def call(*args, **options):
            widths.append(width(args))
            return original(*args, **options)

        monkeypatch.setattr(module, name, call)

    recorded(linear_system, "_solve", lambda args: args[1].shape[1])
    recorded(spectral, "_spectral", lambda args: len(args[2]))
    recorded(spectral, "_remainder", lambda args: args[3].shape[1])
    stage = Diffusion(affinity=AFFINITY, solver=EXACT)
    if hybrid is not None:
        stage = SpectralRanking(affinity=AFFINITY, solver=EXACT, hybrid=hybrid)
    found = scores_by_row(stage, IMAGES, QUERIES)
    factor = 1 if hybrid is None else 1 - ALPHA
    expected = factor * naive_diffusion(IMAGES, QUERIES)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert set(widths) == {3}


def test_a_truncated_graph_is_cut_out_and_normalised_anew():
    stage = Diffusion(affinity=AFFINITY, solver=EXACT, truncate=12)
    found = scores_by_row(stage, IMAGES, QUERIES)
    weights = naive_weights(IMAGES, K)
    for row, query in enumerate(QUERIES):
        nodes = np.argsort(-(IMAGES @ query), kind="stable")[:12]
        system = np.eye(12) - ALPHA * naive_normalised(weights[np.ix_(nodes, nodes)])
        entry = naive_entry(IMAGES, query, KQ)[nodes]
        expected = np.zeros(len(IMAGES))
        expected[nodes] = np.linalg.solve(system, entry)
        np.testing.assert_allclose(found[row], expected, rtol=1e-4, atol=1e-5)


def test_offline_diffusion_adds_truncated_solutions():
    stage = OfflineDiffusion(affinity=AFFINITY, solver=EXACT, truncate=12)
    found = scores_by_row(stage, IMAGES, QUERIES)
    matrix = naive_normalised(naive_weights(IMAGES, K))
    spread = np.zeros((40, 40))
    for i, image in enumerate(IMAGES):
        nodes = np.argsort(-(IMAGES @ image), kind="stable")[:12]
        system = np.eye(12) - ALPHA * matrix[np.ix_(nodes, nodes)]
        spread[i, nodes] = np.linalg.solve(system, (nodes == i).astype(float))
    for row, query in enumerate(QUERIES):
        expected = naive_entry(IMAGES, query, KQ) @ spread
        np.testing.assert_allclose(found[row], expected, rtol=1e-4, atol=1e-5)


def test_offline_diffusion_of_whole_graphs_is_diffusion():
    stage = OfflineDiffusion(affinity=AFFINITY, solver=EXACT)
    found = scores_by_row(stage, IMAGES, QUERIES)
    expected = naive_diffusion(IMAGES, QUERIES)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("hybrid", [False, True])
def test_all_eigenvalues_give_diffusion(hybrid):
    stage = SpectralRanking(affinity=AFFINITY, solver=EXACT, rank=40, hybrid=hybrid)
    found = scores_by_row(stage, IMAGES, QUERIES)
    expected = (1 - ALPHA) * naive_diffusion(IMAGES, QUERIES)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("rank", [1, 4, 30])
def test_the_hybrid_is_diffusion_whatever_the_rank(rank):
    stage = SpectralRanking(affinity=AFFINITY, solver=EXACT, rank=rank, hybrid=True)
    found = scores_by_row(stage, IMAGES, QUERIES)
    expected = (1 - ALPHA) * naive_diffusion(IMAGES, QUERIES)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_few_eigenvalues_give_their_part():
    rank = 6
    values, vectors = np.linalg.eigh(naive_normalised(naive_weights(IMAGES, K)))
    values, vectors = values[-rank:], vectors[:, -rank:]
    assert values[0] - np.sort(values)[0] >= 0
    gains = (1 - ALPHA) / (1 - ALPHA * values)
    stage = SpectralRanking(affinity=AFFINITY, solver=EXACT, rank=rank)
    found = scores_by_row(stage, IMAGES, QUERIES)
    for row, query in enumerate(QUERIES):
        entry = naive_entry(IMAGES, query, KQ)
        expected = vectors @ (gains * (vectors.T @ entry))
        np.testing.assert_allclose(
            found[row], np.maximum(expected, 0), rtol=1e-3, atol=1e-5
        )


def stages(**options):
    """All ways to spread over one graph."""
    affinity, solver = Affinity(**options), Solver(alpha=ALPHA)
    return {
        "dfs": Diffusion(affinity=affinity, solver=solver),
        "truncated": Diffusion(affinity=affinity, solver=solver, truncate=15),
        "offline": OfflineDiffusion(affinity=affinity, solver=solver),
        "fsr": SpectralRanking(affinity=affinity, solver=solver, rank=15),
        "hybrid": SpectralRanking(
            affinity=affinity, solver=solver, rank=6, hybrid=True
        ),
    }


@pytest.mark.parametrize("hybrid", [False, True])
def test_eigenvalues_found_by_iteration_rank_as_those_of_the_dense_matrix(hybrid):
    """As many images as are needed for no dense matrix to be decomposed."""
    rng = np.random.default_rng(5)
    centres = unit(rng, 20, 16)
    near = np.repeat(centres, 16, axis=0) + 0.15 * rng.standard_normal((320, 16))
    images = (near / np.linalg.norm(near, axis=1, keepdims=True)).astype(np.float32)
    near = centres[:6] + 0.2 * rng.standard_normal((6, 16))
    queries = (near / np.linalg.norm(near, axis=1, keepdims=True)).astype(np.float32)
    matrix = naive_normalised(naive_weights(images, K))
    entries = np.array([naive_entry(images, query, KQ) for query in queries])
    if hybrid:
        system = np.eye(320) - ALPHA * matrix
        expected = (1 - ALPHA) * np.linalg.solve(system, entries.T).T
    else:
        values, vectors = np.linalg.eigh(matrix)
        values, vectors = values[-20:], vectors[:, -20:]
        gains = (1 - ALPHA) / (1 - ALPHA * values)
        expected = entries @ vectors * gains @ vectors.T
    stage = SpectralRanking(affinity=AFFINITY, solver=EXACT, rank=20, hybrid=hybrid)
    found = scores_by_row(stage, images, queries)
    np.testing.assert_allclose(
        found, np.maximum(expected, 0), atol=0.01 * expected.max()
    )
    assert (expected > 0.1 * expected.max()).sum() > 60


def test_the_published_numbers_are_the_defaults():
    assert (Affinity().k, Affinity().kq, Affinity().gamma) == (50, 10, 3.0)
    solver = Solver()
    assert (solver.alpha, solver.iterations, solver.tolerance) == (0.99, 20, 1e-6)
    assert Diffusion().truncate == 10_000
    assert OfflineDiffusion().truncate == 1000
    assert SpectralRanking().rank == 500


@pytest.mark.parametrize("name", [*stages()])
def test_what_is_not_reached_follows_as_it_was_ranked(name):
    """Two parts without a path between them; the second keeps its order."""
    rng = np.random.default_rng(3)
    images = np.zeros((20, 8), np.float32)
    images[:10, :4] = np.abs(unit(rng, 10, 4))
    images[10:, 4:] = np.abs(unit(rng, 10, 4))
    query = np.abs(unit(rng, 1))
    query[:, 4:] *= 0.5
    query /= np.linalg.norm(query)
    gallery = gallery_of(images)
    first = gallery.search(query, 20)
    assert first.ids[0, 0] < 10
    stage = stages(k=6, kq=1)[name]
    found = stage(asked(query), first, stage.prepare(gallery))[1]
    expected = [i for i in first.ids[0].tolist() if i >= 10]
    assert [i for i in found.ids[0].tolist() if i >= 10] == expected
    places = [found.ids[0].tolist().index(i) for i in expected]
    assert min(places) >= (found.scores[0] > 0).sum()
    assert (found.scores[0] > 0).sum() > 3


@pytest.mark.parametrize("name", [*stages()])
def test_a_query_alone_is_ranked_as_among_others(name):
    """Clusters without a path between most of them, where rounding could rank."""
    rng = np.random.default_rng(0)
    centres = unit(rng, 20, 64)
    near = np.repeat(centres, 20, axis=0) + 0.08 * rng.standard_normal((400, 64))
    images = (near / np.linalg.norm(near, axis=1, keepdims=True)).astype(np.float32)
    near = centres + 0.08 * rng.standard_normal((20, 64))
    queries = (near / np.linalg.norm(near, axis=1, keepdims=True)).astype(np.float32)
    gallery = gallery_of(images)
    first = gallery.search(queries, 400)
    stage = stages(k=8, kq=5)[name]
    prepared = stage.prepare(gallery)
    found = stage(asked(queries), first, prepared)[1]
    reached = (found.scores > 0).sum(axis=1)
    assert (reached >= 5).all() and (reached <= 40).all()
    for row in range(0, 20, 5):
        part = slice(row, row + 1)
        alone = Ranking(first.ids[part], first.scores[part])
        alone = stage(asked(queries[part]), alone, prepared)[1]
        np.testing.assert_array_equal(
            alone.ids[0, reached[row] :], found.ids[row, reached[row] :]
        )
        np.testing.assert_allclose(
            alone.scores[0], found.scores[row], rtol=1e-3, atol=1e-5
        )


def test_reached_images_come_first_whatever_their_scores():
    first = Ranking(
        np.array([[2, 0, 1, 3, -1]]),
        np.array([[5.0, 4.0, 3.0, -1.0, -np.inf]], np.float32),
    )
    gallery = gallery_of(np.eye(5), np.arange(5) != 4)
    reached = np.array([[0, 1e-3, 0, 2e-3, 0]], np.float32)
    found = rank_reached(reached, first, gallery)
    assert found.ids.tolist() == [[3, 1, 2, 0, -1]]


def test_spatially_verified_results_enter_first():
    """Where a query enters is up to the ranking it is given."""
    gallery = gallery_of(IMAGES)
    given = Ranking(np.array([[7, 3]]), np.array([[2.0, 1.0]], np.float32))
    stage = Diffusion(affinity=Affinity(k=1, kq=1))
    found = stage(asked(QUERIES[:1]), given, stage.prepare(gallery))[1]
    assert found.ids.tolist() == [[7, 3]]
    assert found.scores[0, 0] == pytest.approx(8)


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: Affinity(k=0), "k=0"),
        (lambda: Affinity(kq=0), "kq=0"),
        (lambda: Affinity(gamma=0.0), "gamma=0.0"),
        (lambda: Solver(alpha=1.0), "alpha=1.0"),
        (lambda: Solver(iterations=0), "iterations=0"),
        (lambda: Solver(tolerance=-1.0), "tolerance=-1.0"),
        (lambda: Diffusion(truncate=0), "truncate=0|truncate >= 1; got 0"),
        (lambda: OfflineDiffusion(truncate=0), "truncate >= 1; got 0"),
        (lambda: SpectralRanking(rank=0), "rank >= 1; got 0"),
    ],
)
def test_options_out_of_range(make, message):
    with pytest.raises(InputError, match=message):
        make()
