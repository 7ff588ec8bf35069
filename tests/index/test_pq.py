import numpy as np
import pytest

from jaxsim.index import base, pq
from jaxsim.index.pq import PqIndex
from jaxsim.index.product_quantiser import ProductQuantiser, train_quantiser
from tests.contracts.indexes import nearest, recall, unit_vectors


def whole_numbers(shape, seed):
    """Floats whose sums are exact, so that ties are real in every order of adding."""
    return np.random.default_rng(seed).integers(-3, 3, shape).astype(np.float32)


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(pq, "_BLOCK_ROWS", 128)
    monkeypatch.setattr(pq, "_SMALLEST_BLOCK", 64)
    monkeypatch.setattr(base, "BLOCK_QUERIES", 4)


@pytest.mark.parametrize("queries", [1, 9])
def test_many_blocks_are_one_stable_sort(small_blocks, queries):
    quantiser = ProductQuantiser(whole_numbers((3, 256, 2), 0))
    codes = np.random.default_rng(1).integers(0, 256, (1000, 3)).astype(np.uint8)
    codes[500:600] = codes[:100]
    index = PqIndex(quantiser, codes)
    gone = np.arange(0, 1000, 7)
    index.delete(gone)
    asked = whole_numbers((queries, 6), 2)
    scores = asked @ quantiser.decode(codes).T
    scores[:, gone] = -np.inf
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :50]
    ranking = index.search(asked, 50)
    np.testing.assert_array_equal(ranking.ids, expected)
    np.testing.assert_allclose(
        ranking.scores, np.take_along_axis(scores, expected, axis=1), atol=1e-5
    )


def test_more_bytes_find_more():
    vectors, queries = unit_vectors(3000, 0, 32), unit_vectors(20, 1, 32)
    expected = nearest(vectors, queries, 10)
    found = []
    for code_bytes in (2, 8, 32):
        index = PqIndex(train_quantiser(vectors, code_bytes=code_bytes))
        index.add(vectors)
        found.append(recall(index.search(queries, 10).ids, expected))
    assert found[0] < found[1] < found[2]
    assert found[1] > 0.35 and found[2] > 0.95


def test_few_shapes_are_compiled():
    quantiser = ProductQuantiser(whole_numbers((3, 256, 2), 0))
    codes = np.zeros((300, 3), np.uint8)
    for queries in (5, 8):
        PqIndex(quantiser, codes).search(whole_numbers((queries, 6), 0), 2)
    before = pq._extend._cache_size()
    PqIndex(quantiser, codes[:270]).search(whole_numbers((7, 6), 0), 2)
    assert pq._extend._cache_size() == before
