"""k-reciprocal re-ranking against the equations of its paper."""

from functools import cache

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.rerank.k_reciprocal import KReciprocal
from tests.rerank.test_expansion import asked, gallery_of, unit

RNG = np.random.default_rng(1)
CENTRES = RNG.standard_normal((6, 8))
IMAGES = CENTRES[RNG.integers(0, 6, 50)] + 0.7 * RNG.standard_normal((50, 8))
IMAGES = (IMAGES / np.linalg.norm(IMAGES, axis=1, keepdims=True)).astype(np.float32)
QUERIES = np.concatenate([unit(RNG, 4), IMAGES[[3, 11]]])


def naive(vectors, query, *, k1, k2, weight):
    """Scores of one query by the paper's equations, which name it p.

    N(p, k) are the k images most similar to p, other than p itself. With it, as the
    published code counts, p is a member of its own sets where it is an image.
    """
    count = len(vectors)

    def similarity(g, h):
        return float(vectors[g] @ vectors[h])

    @cache
    def N(g, k):
        others = [h for h in range(count) if h != g]
        return sorted(others, key=lambda h: (-similarity(g, h), h))[:k]

    @cache
    def R(g, k):  # equation 3
        return {g} | {h for h in N(g, k) if g in N(h, k)}

    def extended(reciprocal):  # equation 4
        result = set(reciprocal)
        for g in reciprocal:
            smaller = R(g, max(round(k1 / 2), 1))
            if len(reciprocal & smaller) >= 2 / 3 * len(smaller):
                result |= smaller
        return result

    def V(similar, members):  # equation 7; distances are 1 - s
        weights = {g: np.exp(-(1 - similar(g))) for g in members}
        total = sum(weights.values())
        return np.array([weights.get(g, 0) / max(total, 1e-30) for g in range(count)])

    @cache
    def V_of_image(g):
        return V(lambda h: similarity(g, h), extended(R(g, k1)))

    def averaged(row, neighbours):  # equation 11, over |N(p, k2)| with p itself
        rows = [row, *(V_of_image(g) for g in neighbours)]
        total = sum(rows)
        return total / max(total.sum(), 1e-30)

    images = [averaged(V_of_image(g), N(g, k2 - 1)) for g in range(count)]
    same = [g for g in range(count) if np.array_equal(vectors[g], query)]
    if same:
        asked_for = images[same[0]]
    else:

        def to_query(g):
            return float(query @ vectors[g])

        order = sorted(range(count), key=lambda g: (-to_query(g), g))
        reciprocal = {
            g
            for g in order[:k1]
            if len(N(g, k1)) < k1 or to_query(g) >= similarity(g, N(g, k1)[-1])
        }
        own = V(to_query, extended(reciprocal))
        asked_for = averaged(own, order[: k2 - 1])
    scores = []
    for g in range(count):  # equations 10 and 12
        smaller = sum(np.minimum(asked_for, images[g]))
        larger = sum(np.maximum(asked_for, images[g]))
        cosine = float(query @ vectors[g])
        scores.append((1 - weight) * smaller / larger + weight * cosine)
    return np.array(scores)


@pytest.mark.parametrize(
    "k1, k2, weight",
    [
        (8, 3, 0.3),
        (5, 1, 0.0),
        (1, 6, 0.5),
        (49, 3, 0.3),
        (50, 3, 0.3),
        (10**23, 3, 0.0),
    ],
)
def test_equals_a_loop(k1, k2, weight, monkeypatch):
    monkeypatch.setattr("jaxsim.rerank.k_reciprocal._MATCHES_AT_ONCE", 700)
    monkeypatch.setattr("jaxsim.rerank.k_reciprocal._PAIRS_AT_ONCE", 11)
    monkeypatch.setattr("jaxsim.rerank.k_reciprocal._SCORES_AT_ONCE", 120)
    gallery = gallery_of(IMAGES)
    stage = KReciprocal(k1=k1, k2=k2, weight=weight)
    first = gallery.search(QUERIES, 50)
    found = stage(asked(QUERIES), first, stage.prepare(gallery))[1]
    spreads = []
    for row, query in enumerate(QUERIES):
        expected = naive(IMAGES, query, k1=k1, k2=k2, weight=weight)
        scores = expected[found.ids[row]]
        np.testing.assert_allclose(found.scores[row], scores, rtol=1e-4, atol=1e-6)
        spreads.append(expected.std())
    assert np.median(spreads) > 0.03


def test_shared_neighbours_outweigh_the_cosine():
    found = naive(IMAGES, QUERIES[0], k1=8, k2=3, weight=0.3)
    assert (np.argsort(-found) != np.argsort(-(IMAGES @ QUERIES[0]))).any()


@pytest.mark.parametrize("options", [{"k1": 0}, {"k2": 0}, {"weight": 1.5}])
def test_options_out_of_range(options):
    with pytest.raises(InputError, match="k1 >= 1, k2 >= 1"):
        KReciprocal(**options)
