"""Query expansion and database augmentation against numbers by hand and loops."""

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import Ranking
from jaxsim.rerank.affinity import Affinity
from jaxsim.rerank.base import Asked, Gallery
from jaxsim.rerank.chain import Chain, Stage
from jaxsim.rerank.database_augmentation import DatabaseAugmentation
from jaxsim.rerank.diffusion import Diffusion
from jaxsim.rerank.query_expansion import QueryExpansion

# The example of the specification: four unit vectors and a query.
X = np.array([[1, 0], [0.9, 0.19**0.5], [0, 1], [-0.1, 0.99**0.5]], np.float32)
QUERY = np.array([[0.95, 0.0975**0.5]], np.float32)


def gallery_of(vectors, live=None):
    live = np.ones(len(vectors), bool) if live is None else live
    return Gallery(np.asarray(vectors, np.float32), live)


def unit(rng, count, dimension=8):
    vectors = rng.standard_normal((count, dimension))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def asked(vectors):
    return Asked(vectors, np.arange(len(vectors)))


def test_alpha_query_expansion_by_hand():
    gallery = gallery_of(X)
    stage = QueryExpansion(k=2, alpha=3.0)
    expanded, ranking = stage(asked(QUERY), gallery.search(QUERY, 4), gallery)
    np.testing.assert_allclose(expanded.vectors, [[0.964331, 0.264699]], atol=1e-5)
    np.testing.assert_allclose(
        ranking.scores[0], np.sort(X @ expanded.vectors[0])[::-1], atol=1e-6
    )


@pytest.mark.parametrize("alpha", [0.0, 3.0])
def test_query_expansion_equals_a_loop(alpha):
    rng = np.random.default_rng(0)
    vectors, queries = unit(rng, 30), unit(rng, 4)
    gallery = gallery_of(vectors)
    first = gallery.search(queries, 30)
    found, ranking = QueryExpansion(k=5, alpha=alpha)(asked(queries), first, gallery)
    for row, query in enumerate(queries):
        total = query.astype(np.float64)
        for i in first.ids[row, :5]:
            total = total + max(0.0, float(query @ vectors[i])) ** alpha * vectors[i]
        expected = total / np.linalg.norm(total)
        np.testing.assert_allclose(found.vectors[row], expected, atol=1e-5)
        order = np.argsort(-(vectors @ expected), kind="stable")
        np.testing.assert_array_equal(ranking.ids[row], order)


def test_after_diffusion_results_are_weighed_by_their_cosines():
    rng = np.random.default_rng(5)
    vectors, queries = unit(rng, 30), unit(rng, 4)
    gallery = gallery_of(vectors)
    diffusion = Diffusion(affinity=Affinity(k=6, kq=3))
    stages = [
        Stage("dfs", diffusion),
        Stage("alpha_qe", QueryExpansion(k=5, alpha=3.0)),
    ]
    first = gallery.search(queries, 30)
    reached, ranking = Chain(gallery, stages).rankings(queries, np.arange(4), first)
    assert (reached.ids[:, :5] != first.ids[:, :5]).any()
    for row, query in enumerate(queries):
        total = query.astype(np.float64)
        for i in reached.ids[row, :5]:
            cosine = sum(
                float(a) * float(b) for a, b in zip(query, vectors[i], strict=True)
            )
            total = total + max(0.0, cosine) ** 3 * vectors[i]
        scores = vectors @ (total / np.linalg.norm(total))
        order = np.argsort(-scores, kind="stable")
        np.testing.assert_array_equal(ranking.ids[row], order)
        np.testing.assert_allclose(ranking.scores[row], scores[order], atol=1e-5)


@pytest.mark.parametrize("alpha", [0.0, 3.0])
def test_an_image_of_the_index_does_not_join_itself(alpha):
    vectors = unit(np.random.default_rng(2), 12)
    gallery = gallery_of(vectors)
    first = gallery.search(vectors[:3], 12)
    found, _ = QueryExpansion(k=4, alpha=alpha)(asked(vectors[:3]), first, gallery)
    for row in range(3):
        others = first.ids[row, 1:4]
        weights = np.maximum(vectors[others] @ vectors[row], 0) ** alpha
        total = vectors[row] + weights @ vectors[others]
        expected = total / np.linalg.norm(total)
        np.testing.assert_allclose(found.vectors[row], expected, atol=1e-5)


def test_missing_results_join_nothing():
    queries = unit(np.random.default_rng(1), 1)
    nothing = Ranking(np.full((1, 3), -1), np.full((1, 3), -np.inf, np.float32))
    gallery = gallery_of(unit(np.random.default_rng(2), 5), np.zeros(5, bool))
    found, ranking = QueryExpansion(k=3)(asked(queries), nothing, gallery)
    np.testing.assert_allclose(found.vectors, queries, atol=1e-6)
    assert (ranking.ids == -1).all() and ranking.ids.shape == (1, 3)


def test_weights_of_neighbours():
    weights = DatabaseAugmentation(k=3).weights(3)
    np.testing.assert_allclose(weights, [1, 1, 2 / 3, 1 / 3], atol=1e-6)


def test_database_augmentation_equals_a_loop(monkeypatch):
    monkeypatch.setattr("jaxsim.rerank.database_augmentation.BLOCK_ROWS", 7)
    rng = np.random.default_rng(3)
    vectors = unit(rng, 20)
    vectors[5] = vectors[4]  # a copy does not stand for the row itself
    live = np.ones(20, bool)
    live[9] = False
    augmented = DatabaseAugmentation(k=4).prepare(gallery_of(vectors, live))
    for row in np.flatnonzero(live):
        scores = np.where(live, vectors @ vectors[row], -np.inf)
        scores[row] = np.inf
        order = np.argsort(-scores, kind="stable")[:5]
        weights = [1, 1, 3 / 4, 2 / 4, 1 / 4]
        expected = sum(w * vectors[i] for w, i in zip(weights, order, strict=True))
        np.testing.assert_allclose(
            augmented.vectors[row], expected / sum(weights), atol=1e-5
        )


def test_a_small_database_has_few_neighbours():
    vectors = unit(np.random.default_rng(4), 2)
    augmented = DatabaseAugmentation(k=20).prepare(gallery_of(vectors))
    expected = (vectors + vectors[::-1]) / 2
    np.testing.assert_allclose(augmented.vectors, expected, atol=1e-6)
    augmented = DatabaseAugmentation(k=10**23).prepare(gallery_of(vectors))
    np.testing.assert_allclose(augmented.vectors, expected, atol=1e-6)
    alone = DatabaseAugmentation(k=20).prepare(gallery_of(vectors[:1]))
    np.testing.assert_allclose(alone.vectors, vectors[:1], atol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda: QueryExpansion(k=0),
        lambda: QueryExpansion(alpha=-1.0),
        lambda: DatabaseAugmentation(k=0),
    ],
)
def test_options_out_of_range(make):
    with pytest.raises(InputError, match="needs k >= 1"):
        make()
