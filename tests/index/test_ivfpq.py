import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.index import ivfpq
from jaxsim.index.ivf_plan import blocks_of, list_blocks, plan_search
from jaxsim.index.ivfpq import IvfPqIndex, train_ivfpq
from jaxsim.index.product_quantiser import ProductQuantiser
from tests.contracts.indexes import nearest, recall, unit_vectors

VECTORS, QUERIES = unit_vectors(2000, 0), unit_vectors(33, 1)


@pytest.fixture(scope="module")
def trained():
    return train_ivfpq(VECTORS, lists=24, code_bytes=8)


def filled(trained, vectors=VECTORS):
    index = IvfPqIndex(trained.quantiser, trained.centres)
    index.add(vectors)
    return index


def decoded(index):
    return index.centres[index.lists] + index.quantiser.decode(index.codes)


def naive_search(index, queries, probes, k, gone=()):
    """Looks into the lists of nearest centre, in plain loops."""
    rows = decoded(index)
    answers = []
    for query in queries:
        probed = np.argsort(-(index.centres @ query), kind="stable")[:probes]
        scored = [
            (-float(rows[i] @ query), i)
            for i in range(len(rows))
            if index.lists[i] in probed and i not in gone
        ]
        answers.append([i for _, i in sorted(scored)[:k]])
    return answers


@pytest.mark.parametrize("probes", [1, 24])
@pytest.mark.parametrize("decode_for", [1, 10_000])
def test_it_finds_what_a_naive_loop_finds(trained, probes, decode_for, monkeypatch):
    monkeypatch.setattr(ivfpq, "_BLOCK_ROWS", 16)
    monkeypatch.setattr(ivfpq, "_ITEMS_ON_CPU", 3)
    monkeypatch.setattr(ivfpq, "_FEWEST_TO_DECODE_FOR", decode_for)
    index = filled(trained)
    gone = np.arange(0, 2000, 3)
    index.delete(gone)
    index.set_probes(probes)
    asked = QUERIES[:12]
    ranking = index.search(asked, 10)
    expected = naive_search(index, asked, probes, 10, set(gone.tolist()))
    scores = asked @ decoded(index).T
    for query, (ids, best, wanted) in enumerate(
        zip(ranking.ids, ranking.scores, expected, strict=True)
    ):
        assert ids.tolist() == wanted
        np.testing.assert_allclose(best, scores[query, ids], atol=1e-5)


def test_groups_and_single_rows_agree(trained):
    index = filled(trained)
    few, many = index.search(QUERIES, 10), index.search(QUERIES, 600)
    np.testing.assert_array_equal(few.ids, many.ids[:, :10])
    assert len(set(many.ids[0].tolist())) == 600


def test_batches_of_any_size_agree(trained, monkeypatch):
    index = filled(trained)
    together = index.search(QUERIES, 5).ids
    apart = [index.search(query[None], 5).ids[0] for query in QUERIES[:4]]
    np.testing.assert_array_equal(together[:4], apart)
    monkeypatch.setattr(ivfpq, "_MOST_QUERIES", 8)
    np.testing.assert_array_equal(index.search(QUERIES, 5).ids, together)


def test_more_probes_find_more(trained):
    index, expected = filled(trained), nearest(VECTORS, QUERIES, 10)
    found = []
    for probes in (1, 6, 24):
        index.set_probes(probes)
        found.append(recall(index.search(QUERIES, 10).ids, expected))
    assert found[0] < found[1] < found[2]
    assert found[1] > 0.6 and found[2] > 0.8


def test_differences_from_centres_lose_less_than_whole_vectors(trained):
    index = filled(trained)
    lost = np.square(decoded(index) - VECTORS).sum()
    plain = ProductQuantiser(index.quantiser.codebooks)
    whole = plain.decode(plain.encode(VECTORS))
    assert lost < 0.7 * np.square(whole - VECTORS).sum()


def test_lists_with_too_few_rows_leave_results_missing(trained):
    index = filled(trained, VECTORS[:30])
    index.set_probes(1)
    ranking = index.search(QUERIES, 20)
    assert (ranking.ids[:, -1] == -1).all() and (ranking.ids >= 0).any()


def test_centres_have_length_one(trained):
    np.testing.assert_allclose(np.linalg.norm(trained.centres, axis=1), 1, atol=1e-5)


def test_all_rows_deleted(trained):
    index = filled(trained, VECTORS[:5])
    index.delete(np.arange(5))
    assert (index.search(QUERIES, 3).ids == -1).all()


@pytest.mark.parametrize("probes", [0, 25])
def test_impossible_numbers_of_lists(trained, probes):
    with pytest.raises(InputError, match=f"{probes} of 24 lists"):
        filled(trained).set_probes(probes)


def test_too_few_vectors_to_train_on():
    with pytest.raises(InputError, match="2000 descriptors.*at least 2001"):
        train_ivfpq(VECTORS, lists=2001, code_bytes=8)


def test_few_shapes_are_compiled(trained):
    index = filled(trained)
    for queries in (20, 33):
        index.search(unit_vectors(queries, 2), 5)
    before = ivfpq.best_by_tables._cache_size()
    for seed in range(3, 9):
        index.search(unit_vectors(33, seed), 5)
    assert ivfpq.best_by_tables._cache_size() <= before + 3


def test_blocks_hold_each_live_row_once():
    rng = np.random.default_rng(0)
    lists = rng.integers(0, 7, 100).astype(np.int32)
    lists[lists == 3] = 2  # an empty list
    live = rng.random(100) < 0.8
    blocks = list_blocks(lists, live, num_lists=7, rows=8)
    held = blocks.ids[blocks.ids >= 0]
    np.testing.assert_array_equal(np.sort(held), np.flatnonzero(live))
    assert (blocks.ids[-1] == -1).all()
    for number, count in enumerate(blocks.counts):
        mine = slice(blocks.first[number], blocks.first[number] + count)
        ids = blocks.ids[mine].ravel()
        assert (lists[ids[ids >= 0]] == number).all()
        assert (blocks.lists[mine] == number).all()
        assert (np.diff(ids[ids >= 0]) > 0).all()


def test_a_plan_has_every_block_of_every_list_once_for_each_query():
    rng = np.random.default_rng(1)
    lists = rng.integers(0, 9, 300).astype(np.int32)
    blocks = list_blocks(lists, np.ones(300, bool), num_lists=9, rows=8)
    probed = np.stack([rng.permutation(9)[:4] for _ in range(21)]).astype(np.int32)
    plan = plan_search(probed, blocks, queries=32, items_at_once=8)
    slots = plan.queries.shape[-1]
    item_blocks = plan.blocks.reshape(-1)
    item_queries = plan.queries.reshape(-1, slots)
    dummy = (len(item_blocks) - 1) * slots
    assert (blocks.ids[item_blocks[-1]] == -1).all()
    assert plan.places.shape[0] == 32 and (plan.places[21:] == dummy).all()
    for query, places in enumerate(plan.places[:21]):
        items, slot = np.divmod(places[places != dummy], slots)
        assert (item_queries[items, slot] == query).all()
        expected = [
            b
            for one in probed[query]
            for b in range(blocks.first[one], blocks.first[one] + blocks.counts[one])
        ]
        assert sorted(item_blocks[items].tolist()) == sorted(expected)


def test_blocks_of_each_query():
    lists = np.repeat(np.arange(3), (20, 3, 9)).astype(np.int32)
    blocks = list_blocks(lists, np.ones(32, bool), num_lists=3, rows=8)
    probed = np.array([[2, 0], [1, 2]], np.int32)
    found = blocks_of(probed, blocks, queries=4)
    nowhere = len(blocks.ids) - 1
    assert found.tolist() == [
        [4, 5, 0, 1, 2],
        [3, 4, 5, nowhere, nowhere],
        [nowhere] * 5,
        [nowhere] * 5,
    ]
