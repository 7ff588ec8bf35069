"""Similarities of pairs: efficient against naive scoring, and baselines by loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.nn.similarity import SimilarityNetwork
from jaxsim.ops.whitening import Whitening, fit_learned
from jaxsim.rerank.similarity import (
    BilinearSimilarity,
    MahalanobisSimilarity,
    NetworkSimilarity,
    Similarity,
    all_scores,
)
from tests.rerank.test_expansion import unit

D = 8
RNG = np.random.default_rng(0)
QUERIES, IMAGES = unit(RNG, 4, D), unit(RNG, 30, D)


def network_similarity(*, block_pairs=1024, **options) -> NetworkSimilarity:
    network = SimilarityNetwork(dim=D, widths=(32, 16), **options)
    variables = network.init(jax.random.key(0), *jnp.zeros((2, 1, D)))
    # Initial values are tiny; larger ones make differences visible.
    variables = jax.tree.map(lambda x: 30 * x + 0.02, variables)
    return NetworkSimilarity(network, variables, block_pairs)


def naive(found: NetworkSimilarity) -> np.ndarray:
    """Each pair through the whole network, one at a time."""
    return np.array(
        [
            [
                float(found.network.apply(found.variables, q, x))
                for x in jnp.asarray(IMAGES)
            ]
            for q in jnp.asarray(QUERIES)
        ]
    )


SIMILARITIES: dict[str, Similarity] = {
    "network": network_similarity(),
    "bilinear": BilinearSimilarity(RNG.standard_normal((D, D)).astype(np.float32)),
    "mahalanobis": MahalanobisSimilarity(
        Whitening(
            RNG.standard_normal((D, 5)).astype(np.float32), np.ones(5, np.float32)
        )
    ),
}


@pytest.mark.parametrize("symmetric", [False, True])
def test_efficient_scores_are_those_of_the_whole_network(symmetric):
    found = network_similarity(symmetric=symmetric)
    expected = naive(found)
    assert expected.std() > 0.1
    scores = all_scores(found, QUERIES, IMAGES)
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("block_pairs", [1, 7, 30])
def test_scores_do_not_depend_on_the_block(block_pairs):
    scores = all_scores(network_similarity(block_pairs=block_pairs), QUERIES, IMAGES)
    expected = all_scores(network_similarity(), QUERIES, IMAGES)
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-5)


def test_a_bilinear_similarity_equals_a_loop():
    found = SIMILARITIES["bilinear"]
    expected = [[q @ found.matrix @ x for x in IMAGES] for q in QUERIES]
    scores = all_scores(found, QUERIES, IMAGES)
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)


def test_a_mahalanobis_similarity_equals_a_loop():
    found = SIMILARITIES["mahalanobis"]
    map_of = found.whitening.projection
    expected = [[-np.sum(((q - x) @ map_of) ** 2) for x in IMAGES] for q in QUERIES]
    scores = all_scores(found, QUERIES, IMAGES)
    np.testing.assert_allclose(scores, expected, rtol=1e-4, atol=1e-5)


def test_a_learned_map_finds_what_differs_between_images_of_one_thing():
    """The first coordinate varies within each pair, and counts little afterwards."""
    things = RNG.standard_normal((200, 4))
    pairs = np.stack([things, things + [2.0, 0.1, 0.1, 0.1] * RNG.standard_normal(4)])
    pairs[1, :, 0] += 2 * RNG.standard_normal(200)
    pairs[1, :, 1:] += 0.1 * RNG.standard_normal((200, 3))
    rows = np.stack([np.arange(200), 200 + np.arange(200)], axis=1)
    found = MahalanobisSimilarity(fit_learned(pairs.reshape(-1, 4), rows, dim=4))
    query = np.zeros((1, 4), np.float32)
    images = np.eye(4, dtype=np.float32)[:2]  # a step along what varies, and another
    scores = all_scores(found, query, images)[0]
    assert scores[0] > 20 * scores[1]


@pytest.mark.parametrize("name", SIMILARITIES)
def test_chosen_pairs_are_scored_as_among_all(name):
    found = SIMILARITIES[name]
    who, which = RNG.integers(0, len(QUERIES), 25), RNG.integers(0, len(IMAGES), 25)
    scores = found.pair_scores(QUERIES, found.image_parts(IMAGES), who, which)
    expected = all_scores(found, QUERIES, IMAGES)[who, which]
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", SIMILARITIES)
def test_descriptors_of_another_dimension_are_refused(name):
    found = SIMILARITIES[name]
    with pytest.raises(InputError, match="9 dimensions.* made for 8"):
        found.image_parts(unit(RNG, 3, 9))
    parts = found.image_parts(IMAGES)
    with pytest.raises(InputError, match="9 dimensions.* made for 8"):
        found.pair_scores(unit(RNG, 3, 9), parts, np.arange(3), np.arange(3))


def test_bfloat16_scores_stay_near_those_of_float32():
    expected = all_scores(network_similarity(), QUERIES, IMAGES)
    scores = all_scores(network_similarity(dtype=jnp.bfloat16), QUERIES, IMAGES)
    assert scores.dtype == np.float32 and np.abs(scores - expected).max() > 0
    np.testing.assert_allclose(scores, expected, atol=0.05 * expected.std())
