"""Re-scoring by a learned similarity: order, the rest, missing results, bad input."""

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.rerank.learned import LearnedReranking
from jaxsim.rerank.similarity import BilinearSimilarity, all_scores
from tests.rerank.test_expansion import asked, gallery_of, unit

RNG = np.random.default_rng(0)
QUERIES, IMAGES = unit(RNG, 5), unit(RNG, 40)
SIMILARITY = BilinearSimilarity(5 * RNG.standard_normal((8, 8)).astype(np.float32))
NO_CHANGE = BilinearSimilarity(np.eye(8, dtype=np.float32))


def rescored(gallery, top, similarity=SIMILARITY, k=40):
    stage = LearnedReranking(similarity=similarity, top=top)
    first = gallery.search(QUERIES, k)
    return first, stage(asked(QUERIES), first, stage.prepare(gallery))[1]


@pytest.mark.parametrize("top", [1, 10, 40, 1000])
def test_the_first_are_ordered_by_the_similarity_and_the_others_stay(top):
    first, found = rescored(gallery_of(IMAGES), top)
    scores = all_scores(SIMILARITY, QUERIES, IMAGES)
    for row in range(len(QUERIES)):
        shortlist = first.ids[row, :top]
        expected = shortlist[np.argsort(-scores[row, shortlist], kind="stable")]
        np.testing.assert_array_equal(found.ids[row, :top], expected)
        np.testing.assert_array_equal(found.ids[row, top:], first.ids[row, top:])
        best = scores[row, expected]
        np.testing.assert_allclose(found.scores[row, :top], best, rtol=1e-4)


def test_images_in_blocks_give_the_same_ranking(monkeypatch):
    _, expected = rescored(gallery_of(IMAGES), 20)
    monkeypatch.setattr("jaxsim.rerank.learned.IMAGES_AT_ONCE", 7)
    _, found = rescored(gallery_of(IMAGES), 20)
    np.testing.assert_array_equal(found.ids, expected.ids)
    np.testing.assert_array_equal(found.scores, expected.scores)


def test_the_inner_product_changes_nothing():
    first, found = rescored(gallery_of(IMAGES), 10, NO_CHANGE)
    np.testing.assert_array_equal(found.ids, first.ids)
    np.testing.assert_allclose(found.scores[:, :10], first.scores[:, :10], atol=1e-6)


def test_missing_results_stay_missing():
    live = np.zeros(40, bool)
    live[:6] = True
    _, found = rescored(gallery_of(IMAGES, live), 10)
    assert (np.sort(found.ids[:, :6], axis=1) == np.arange(6)).all()
    assert (found.ids[:, 6:] == -1).all()
    _, nothing = rescored(gallery_of(IMAGES, np.zeros(40, bool)), 10)
    assert (nothing.ids == -1).all()


def test_many_equal_scores_behind_the_shortlist():
    """Lowering makes numbers equal that were not; the ranking must stay valid."""
    images = np.repeat(IMAGES[:4], 10, axis=0)
    images += 1e-7 * RNG.standard_normal(images.shape).astype(np.float32)
    far = BilinearSimilarity(np.float32(1000) * SIMILARITY.matrix)
    _, found = rescored(gallery_of(images), 5, far)
    assert (np.sort(found.ids, axis=1) == np.arange(40)).all()


def test_options_out_of_range():
    with pytest.raises(InputError, match="top=0"):
        LearnedReranking(similarity=SIMILARITY, top=0)
    with pytest.raises(InputError, match="9 dimensions"):
        LearnedReranking(similarity=SIMILARITY).prepare(gallery_of(unit(RNG, 3, 9)))
