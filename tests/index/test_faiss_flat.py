"""faiss as an index: order, ties and rows that are not there."""

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.index.faiss_flat import FaissFlat

pytest.importorskip("faiss")

VECTORS = np.array([[3, 0], [1, 0], [0, 2], [1, 0]], np.float32)


def test_inner_products():
    ranking = FaissFlat(VECTORS, comparison="cosine").search(VECTORS[1:2], 5)
    assert ranking.ids.tolist() == [[0, 1, 3, 2, -1]]
    np.testing.assert_allclose(ranking.scores[0, :4], [3, 1, 1, 0], atol=1e-6)


def test_distances():
    ranking = FaissFlat(VECTORS, comparison="distance").search(VECTORS[1:2], 4)
    assert ranking.ids.tolist() == [[1, 3, 0, 2]]
    np.testing.assert_allclose(-ranking.scores[0], [0, 0, 4, 5], atol=1e-5)


def test_near_vectors_far_from_the_origin_are_told_apart():
    steps = np.arange(64, dtype=np.float32)[:, None] / 64
    vectors = np.concatenate([np.full((64, 1), 4096, np.float32), 4096 + steps], axis=1)
    ranking = FaissFlat(vectors, comparison="distance").search(vectors, 64)
    np.testing.assert_array_equal(ranking.ids[0], np.arange(64))


def test_what_cannot_be_searched():
    index = FaissFlat(VECTORS, comparison="distance")
    with pytest.raises(InputError, match="k is 0"):
        index.search(VECTORS, 0)
    with pytest.raises(InputError, match="queries have shape"):
        index.search(VECTORS[:, :1], 1)
    with pytest.raises(InputError, match="NaN"):
        FaissFlat(VECTORS * np.nan, comparison="cosine")
