import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.ops.similarity import inner_product
from jaxsim.ops.topk import empty_topk, extend_topk, merge_topk


def ranked(scores, k):
    """Sorts by falling score, then rising id, in plain Python."""
    ids = [sorted(range(len(row)), key=lambda i: (-row[i], i))[:k] for row in scores]
    return np.take_along_axis(np.asarray(scores), np.array(ids), 1), np.array(ids)


def whole_numbers(shape, high, seed=0):
    """Floats whose sums are exact, so that ties are real in every order of adding."""
    return np.random.default_rng(seed).integers(-high, high, shape).astype(np.float32)


def test_merge_takes_ties_from_the_lower_ids():
    lower = jnp.array([[3.0, 1.0]]), jnp.array([[7, 2]], jnp.int32)
    higher = jnp.array([[3.0, 2.0]]), jnp.array([[8, 9]], jnp.int32)
    scores, ids = merge_topk(lower, higher, 3)
    assert scores.tolist() == [[3, 3, 2]]
    assert ids.tolist() == [[7, 8, 9]]


def search(queries, database, k, *, block_rows, live=None):
    """Scores and ranks one block of rows after the other."""
    queries, database = jnp.asarray(queries), jnp.asarray(database)
    live = None if live is None else jnp.asarray(live)
    best = empty_topk(len(queries), k)
    for start in range(0, len(database), block_rows):
        block = slice(start, start + block_rows)
        scores = inner_product(database[block], queries)
        mask = None if live is None else live[block]
        best = extend_topk(best, scores, start, mask)
    return best


@pytest.mark.parametrize("block_rows", [7, 100, 300])
def test_blocked_search_is_a_stable_sort_for_every_block(block_rows):
    queries, database = whole_numbers((5, 4), 3), whole_numbers((100, 4), 3, seed=1)
    scores, ids = search(queries, database, 12, block_rows=block_rows)
    expected, rows = ranked(queries @ database.T, 12)
    np.testing.assert_array_equal(scores, expected)
    np.testing.assert_array_equal(ids, rows)


@pytest.mark.parametrize("live_frac", [1.0, 0.2, 0.0005])
@pytest.mark.parametrize("high", [1, 9, 1000])
@pytest.mark.parametrize("rows", [4096, 4104])
def test_wide_blocks_agree_with_a_sort(rows, high, live_frac):
    queries = whole_numbers((2, 4), high)
    database = whole_numbers((9000, 4), high, seed=1)
    live = np.random.default_rng(2).random(9000) < live_frac
    scores, ids = search(queries, database, 10, block_rows=rows, live=live)
    expected = ranked(np.where(live, queries @ database.T, -np.inf), 10)
    found = min(10, live.sum())
    np.testing.assert_array_equal(scores[:, :found], expected[0][:, :found])
    np.testing.assert_array_equal(ids[:, :found], expected[1][:, :found])
    assert (ids[:, found:] == -1).all()


def test_ties_are_ordered_by_id_inside_and_between_groups():
    ramp = np.arange(8192.0, dtype=np.float32)
    noise = np.random.default_rng(0).standard_normal((8192, 3), np.float32)
    scores = np.column_stack([ramp, -ramp, ramp % 64, -(ramp // 64), noise.round(1)])
    both = np.concatenate([scores, scores[::-1]])
    expected, rows = ranked(both.T, 200)
    found, ids = search(np.eye(7, dtype=np.float32), both, 200, block_rows=8192)
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(ids, rows)


def test_deleted_rows_are_never_found():
    queries, database = whole_numbers((3, 4), 9), whole_numbers((50, 4), 9, seed=1)
    live = np.random.default_rng(2).random(50) < 0.3
    scores, ids = search(queries, database, 50, block_rows=8, live=live)
    count = live.sum()
    masked = np.where(live, queries @ database.T, -np.inf)
    np.testing.assert_array_equal(ids[:, :count], ranked(masked, count)[1])
    assert (ids[:, count:] == -1).all() and np.isneginf(scores[:, count:]).all()


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_more_results_than_rows_are_missing(rows):
    queries, database = whole_numbers((2, 4), 9), whole_numbers((rows, 4), 9)
    scores, ids = search(queries, database, 5, block_rows=2)
    assert (ids[:, rows:] == -1).all() and np.isneginf(scores[:, rows:]).all()
    assert np.isfinite(scores[:, :rows]).all()
