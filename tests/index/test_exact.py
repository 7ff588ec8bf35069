from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.index import base, exact
from jaxsim.index.exact import ExactIndex


def whole_numbers(shape, seed):
    """Floats whose sums are exact, so that ties are real in every order of adding."""
    return np.random.default_rng(seed).integers(-3, 3, shape).astype(np.float32)


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr(exact, "largest_block", lambda dimension: 192)
    monkeypatch.setattr(exact, "PADDED_ROWS", 128)
    monkeypatch.setattr(base, "PADDED_ROWS", 128)
    monkeypatch.setattr(base, "SMALLEST_BLOCK", 64)
    monkeypatch.setattr(base, "BLOCK_QUERIES", 4)


@pytest.mark.parametrize("parts", [[1000], [301, 699], [1, 256, 500, 243]])
def test_many_blocks_are_one_stable_sort(small_blocks, parts):
    vectors, queries = whole_numbers((1000, 6), 0), whole_numbers((9, 6), 1)
    index = ExactIndex(vectors[:0])
    for end, count in zip(np.cumsum(parts), parts, strict=True):
        index.add(vectors[end - count : end])
    gone = np.arange(0, 1000, 7)
    index.delete(gone)
    scores = queries @ vectors.T
    scores[:, gone] = -np.inf
    expected = np.argsort(-scores, axis=1, kind="stable")[:, :50]
    np.testing.assert_array_equal(index.search(queries, 50).ids, expected)


def test_a_mapped_file_is_searched_in_place(tmp_path, small_blocks):
    if jax.default_backend() != "cpu":
        pytest.skip("rows are copied to an accelerator")
    np.save(tmp_path / "v.npy", whole_numbers((704, 16), 0))
    vectors = np.load(tmp_path / "v.npy", mmap_mode="r")
    index = ExactIndex(vectors)
    addresses = [block.padded.unsafe_buffer_pointer() for block in index._blocks]
    assert addresses == [vectors[start:].ctypes.data for start in (0, 192, 384, 576)]


def test_few_shapes_are_compiled():
    for rows in (3, 100, 256):
        for queries in (5, 7, 8):
            vectors = whole_numbers((rows, 11), 0)
            ExactIndex(vectors).search(vectors[:1].repeat(queries, 0), 2)
    before = exact._step._cache_size()
    ExactIndex(whole_numbers((200, 11), 0)).search(whole_numbers((6, 11), 0), 2)
    assert exact._step._cache_size() == before


def test_memory_is_that_of_one_block_of_each_size(small_blocks):
    vectors = whole_numbers((5 * 192 + 96, 6), 0)
    index = ExactIndex(vectors)
    for queries in (3, 4, 1, 9):
        index.search(vectors[:queries], 2)
    assert sorted(index._spare) == [(128, 4), (192, 4)]


def blocks_of(rows, dimension):
    parts = exact._parts(rows, base.largest_block(dimension))
    return [part.stop - part.start for part in parts]


def test_an_accelerator_pads_one_block_and_a_cpu_a_small_one(monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: "gpu")
    assert blocks_of(1_000_000, 2048) == [131_072] * 7 + [82_496]
    assert base.padded_size(82_496) == 98_304
    assert max(blocks_of(1_000_000, 64)) == 262_144  # Two sizes: 524,288 rows.
    monkeypatch.setattr(jax, "default_backend", lambda: "cpu")
    assert blocks_of(1_000_000, 2048) == [32_768] * 30 + [16_384, 576]
    sizes = {base.padded_size(rows) for rows in blocks_of(98_304 + 90_111, 64)}
    assert sum(sizes) <= 221_184  # As the class says.


@pytest.mark.parametrize("backend", ["cpu", "gpu"])
@pytest.mark.parametrize("largest", [192, 16_384, 262_144])
def test_results_do_not_depend_on_the_size_of_blocks(monkeypatch, largest, backend):
    monkeypatch.setattr(exact, "largest_block", lambda dimension: largest)
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    vectors, queries = whole_numbers((20_000, 4), 0), whole_numbers((3, 4), 1)
    found = ExactIndex(vectors).search(queries, 20)
    expected = np.argsort(-(queries @ vectors.T), axis=1, kind="stable")[:, :20]
    np.testing.assert_array_equal(found.ids, expected)


@pytest.mark.parametrize(("on_device", "waits"), [(True, 0), (False, 6)])
def test_only_blocks_that_are_sent_are_waited_for(
    small_blocks, monkeypatch, on_device, waits
):
    waited, wait = [], jax.block_until_ready
    monkeypatch.setattr(jax, "block_until_ready", lambda x: waited.append(1) or wait(x))
    vectors = whole_numbers((5 * 192 + 96, 6), 0)
    ExactIndex(vectors, on_device=on_device).search(vectors[:3], 2)
    assert len(waited) == waits


def test_numbers_of_results_share_programs():
    vectors = whole_numbers((256, 7), 0)
    index = ExactIndex(vectors)
    expected = index.search(vectors[:3], 20)
    before = exact._step._cache_size()
    for k in (11, 19):
        found = index.search(vectors[:3], k)
        np.testing.assert_array_equal(found.ids, expected.ids[:, :k])
    assert exact._step._cache_size() == before


def test_threads_may_search_at_once(small_blocks):
    vectors = whole_numbers((1000, 6), 0)
    index = ExactIndex(vectors)
    expected = index.search(vectors[:9], 5).ids
    with ThreadPoolExecutor(4) as pool:
        for ranking in pool.map(lambda _: index.search(vectors[:9], 5), range(20)):
            np.testing.assert_array_equal(ranking.ids, expected)


@pytest.mark.parametrize("shape", [(3,), (3, 0)])
def test_vectors_without_a_dimension_are_refused(shape):
    with pytest.raises(InputError, match=r"vectors \[N, D\]"):
        ExactIndex(np.zeros(shape, np.float32))


def test_zeros_of_both_signs_tie():
    vectors = np.array([[-1], [1], [-2], [2]] * 300, np.float32)
    found = ExactIndex(vectors).search(np.zeros((1, 1), np.float32), 9)
    assert found.ids.tolist() == [list(range(9))]
