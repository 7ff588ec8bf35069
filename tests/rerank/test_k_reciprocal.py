"""k-reciprocal re-ranking against a loop over sets."""

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


def nearest(vectors, query, k):
    return np.argsort(-(vectors @ query), kind="stable")[:k].tolist()


def naive(vectors, query, *, k1, k2, weight):
    """Scores of one query, set by set; the rows of `vectors` differ."""
    count = len(vectors)

    def near(image, k):
        return nearest(vectors, vectors[image], k + 1)  # the image itself is one

    def mutual(image, k):
        return {g for g in near(image, k) if image in near(g, k)}

    def expanded(members):
        result = set(members)
        for g in members:
            half = mutual(g, max(round(k1 / 2), 1))
            if 3 * len(half & members) >= 2 * len(half):
                result |= half
        return result

    def membership(vector, members):
        row = np.zeros(count)
        for g in members:
            row[g] = np.exp(float(vector @ vectors[g]) - 1)
        return row / row.sum() if members else row

    own = [membership(vectors[g], expanded(mutual(g, k1))) for g in range(count)]
    shared = [np.mean([own[h] for h in near(g, k2 - 1)], axis=0) for g in range(count)]
    least = [min(vectors[g] @ vectors[h] for h in near(g, k1)) for g in range(count)]
    found = nearest(vectors, query, k1 + 1)
    members = {g for g in found if query @ vectors[g] >= least[g] - 1e-6}
    rows = [membership(query, expanded(members))]
    rows += [shared[g] for g in nearest(vectors, query, k2 - 1)]
    feature = np.sum(rows, axis=0)
    feature = feature / max(feature.sum(), 1e-30)
    scores = []
    for g in range(count):
        smaller = sum(min(a, b) for a, b in zip(feature, shared[g], strict=True))
        larger = sum(max(a, b) for a, b in zip(feature, shared[g], strict=True))
        cosine = float(query @ vectors[g])
        scores.append((1 - weight) * smaller / larger + weight * cosine)
    return np.array(scores)


@pytest.mark.parametrize("k1, k2, weight", [(8, 3, 0.3), (5, 1, 0.0), (1, 6, 0.5)])
def test_equals_a_loop(k1, k2, weight, monkeypatch):
    monkeypatch.setattr("jaxsim.rerank.k_reciprocal.BLOCK_ROWS", 7)
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
