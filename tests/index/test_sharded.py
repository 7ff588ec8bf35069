"""Search over eight devices: ids, order and ties are those of one."""

import jax
import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.index import base, sharded
from jaxsim.index.exact import ExactIndex
from jaxsim.index.sharded import ShardedIndex
from jaxsim.parallel.mesh import MeshShape, make_mesh


def numbers(seed: int, rows: int, dim: int = 6) -> np.ndarray:
    """Small whole numbers, whose products are exact and tie often."""
    random = np.random.default_rng(seed)
    return random.integers(-3, 4, (rows, dim)).astype(np.float32)


@pytest.mark.parametrize("rows, k", [(1, 3), (5, 5), (300, 7), (300, 300), (2100, 20)])
def test_eight_devices_find_what_one_finds(monkeypatch, rows, k):
    monkeypatch.setattr(sharded, "largest_block", lambda dimension: 128)
    monkeypatch.setattr(base, "SMALLEST_BLOCK", 32)
    vectors, queries = numbers(0, rows), numbers(1, 9)
    expected = ExactIndex(vectors).search(queries, k)
    for shape in (MeshShape(), MeshShape(fsdp=4)):
        found = ShardedIndex(vectors, mesh=make_mesh(shape=shape)).search(queries, k)
        np.testing.assert_array_equal(found.ids, expected.ids)
        np.testing.assert_array_equal(found.scores, expected.scores)


def test_all_blocks_share_a_program_and_the_memory_of_its_scores(monkeypatch):
    monkeypatch.setattr(sharded, "largest_block", lambda dimension: 256)
    index = ShardedIndex(numbers(0, 8 * 1024))
    index.search(numbers(1, 9), 3)
    assert len(index._blocks) == 4 and index._step._cache_size() == 1
    memory, best = index._start(16, 5)
    index._step(memory, best, *index._blocks[0], numbers(1, 16))
    assert memory.is_deleted()


def test_each_device_holds_its_part_of_the_rows():
    index = ShardedIndex(numbers(0, 800))
    ((rows, _),) = index._blocks
    shards = rows.addressable_shards
    assert len(index) == 800 and index.dimension == 6 and len(shards) == 8
    assert {shard.data.shape for shard in shards} == {(256, 6)}
    assert len({shard.device for shard in shards}) == jax.device_count()


@pytest.mark.parametrize(
    "vectors", [np.zeros((0, 3), np.float32), np.zeros(3, np.float32)]
)
def test_what_has_no_rows_is_refused(vectors):
    with pytest.raises(InputError, match="N and D >= 1"):
        ShardedIndex(vectors)


def test_wrong_queries_are_refused():
    index = ShardedIndex(numbers(0, 20))
    with pytest.raises(InputError, match="queries have shape"):
        index.search(numbers(1, 2, dim=3), 1)
    with pytest.raises(InputError, match="k is 0"):
        index.search(numbers(1, 2), 0)
    with pytest.raises(InputError, match="NaN"):
        ShardedIndex(np.full((2, 2), np.nan, np.float32))
