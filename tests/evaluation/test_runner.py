import json
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import Ranking
from jaxsim.data.records import RetrievalSet
from jaxsim.evaluation.protocols.base import Judgement
from jaxsim.evaluation.protocols.query_reference import QueryReference
from jaxsim.evaluation.protocols.revisited import Revisited
from jaxsim.evaluation.protocols.same_label import SameLabel
from jaxsim.evaluation.runner import evaluate_set, judge_ranking, positive_ranks
from tests.evaluation.sets import cosine_ranker, ranker, record, records


def labelled(labels):
    return RetrievalSet(
        name="x",
        database=[record(str(i), str(label)) for i, label in enumerate(labels)],
    )


@given(
    ranked=st.permutations(range(12)),
    cut=st.integers(0, 12),
    roles=st.lists(st.sampled_from([-1, 0, 1]), min_size=12, max_size=12),
)
def test_positive_ranks_equal_a_walk_without_ignored(ranked, cut, roles):
    roles = np.array(roles)
    judgement = Judgement(np.flatnonzero(roles == 1), np.flatnonzero(roles == -1))
    ids = np.array([*ranked[:cut], *[-1] * (12 - cut)])
    kept = [i for i in ranked[:cut] if roles[i] != -1]
    expected = [rank for rank, i in enumerate(kept) if roles[i] == 1]
    verdicts = judge_ranking(ids, judgement, 12)
    assert positive_ranks(verdicts).tolist() == expected
    assert verdicts[:cut].tolist() == roles[ranked[:cut]].tolist()
    assert (verdicts[cut:] == -1).all()


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6), block=st.integers(1, 12))
def test_same_label_equals_a_naive_loop_whatever_the_block(seed, block):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, 11)
    # Few distinct scores, so that ties abound.
    descriptors = rng.integers(-1, 2, (11, 3)).astype(np.float32)
    expected = []
    for query in range(11):
        others = [i for i in range(11) if i != query]
        others.sort(key=lambda i: (-float(descriptors[query] @ descriptors[i]), i))
        right = [labels[i] == labels[query] for i in others]
        if any(right):
            precisions = [sum(right[: i + 1]) / (i + 1) for i in np.flatnonzero(right)]
            expected.append(np.mean(precisions))
    if not expected:
        return
    result = evaluate_set(
        labelled(labels),
        SameLabel(),
        cosine_ranker(descriptors, descriptors),
        block=block,
        keep=3,
    )
    assert result.metrics["map"] == pytest.approx(np.mean(expected))
    judged = result.average_precision[result.num_positives > 0]
    assert judged == pytest.approx(expected)
    assert np.isnan(result.average_precision[result.num_positives == 0]).all()
    assert result.ranking.ids.shape == result.relevance.shape == (11, 3)


def test_exact_duplicates_stay_and_only_the_query_itself_is_removed():
    descriptors = np.array([[1.0], [1.0], [1.0], [0.5]], np.float32)
    result = evaluate_set(
        labelled("aabb"), SameLabel(), cosine_ranker(descriptors, descriptors)
    )
    # All of 0, 1, 2 score the same: ties go to the lower row.
    assert result.ranking.ids[1].tolist() == [0, 1, 2, 3]
    assert result.relevance[1].tolist() == [1, -1, 0, 0]
    assert result.average_precision == pytest.approx([1, 1, 1 / 3, 1 / 3])


def test_an_unreadable_query_counts_zero_and_is_counted():
    data = RetrievalSet(
        name="s", database=records("a b"), queries=records("x y"), positives=[[0], [1]]
    )
    result = evaluate_set(data, QueryReference(), ranker([0, 1], [-1, -1]))
    assert result.metrics["map"] == result.metrics["recall@10"] == 0.5
    assert result.average_precision.tolist() == [1, 0]
    assert result.protocol["queries_unreadable"] == "1"
    assert result.protocol["queries_judged"] == "2"
    assert result.relevance[1].tolist() == [-1, -1]


def test_a_positive_without_descriptor_is_never_found():
    data = RetrievalSet(
        name="s", database=records("a b c"), queries=records("x"), positives=[[0, 1]]
    )
    result = evaluate_set(data, QueryReference(), ranker([0, 2, -1]))
    assert result.metrics["map"] == 0.5


def test_progress_adds_up_and_blocks_are_bounded():
    done, sizes = [], []
    rank = ranker(*[[0, 1, 2, 3, 4]] * 5)

    def watched(rows):
        sizes.append(len(rows))
        return rank(rows)

    evaluate_set(labelled("aabbb"), SameLabel(), watched, block=2, progress=done.append)
    assert done == sizes == [2, 2, 1]


def test_nothing_is_ranked_when_no_query_can_be_judged():
    def rank(rows):
        raise AssertionError("ranked in vain")

    with pytest.raises(InputError, match="none of the 3 queries of 'x'"):
        evaluate_set(labelled("abc"), SameLabel(), rank)


@pytest.mark.parametrize(
    "order, complaint",
    [([0, 1], "needs complete rankings"), ([0, 1, 3], "names image 3")],
)
def test_rankings_of_another_database_are_refused(order, complaint):
    with pytest.raises(InputError, match=complaint):
        evaluate_set(labelled("aab"), SameLabel(), ranker(*[order] * 3))


def test_every_metric_is_defined_in_one_sentence():
    result = evaluate_set(labelled("aab"), SameLabel(), ranker(*[[0, 1, 2]] * 3))
    assert result.definitions.keys() == result.metrics.keys()
    assert all(text.endswith(".") for text in result.definitions.values())


def test_revisited_oxford_runs_end_to_end(shared_data):
    path = shared_data / "ground_truth" / "roxford5k.json"
    truth = json.loads(path.read_text())
    grades = ("easy", "hard", "junk")
    data = RetrievalSet(
        name="roxford5k",
        database=[record(name) for name in truth["database"]],
        queries=[record(query["name"]) for query in truth["queries"]],
        graded=[
            {grade: query[grade] for grade in grades} for query in truth["queries"]
        ],
    )
    rng = np.random.default_rng(0)
    database = rng.normal(size=(4993, 16)).astype(np.float32)
    queries = rng.normal(size=(70, 16)).astype(np.float32)
    started = time.monotonic()
    chance = evaluate_set(data, Revisited(), cosine_ranker(queries, database))
    assert time.monotonic() - started < 10
    assert 0 < chance.metrics["medium/map"] < 0.05
    assert chance.protocol["easy/queries_judged"] == "68"

    # Best possible scores: easy images first, then hard, then the rest.
    ideal = np.zeros((70, 4993), np.float32)
    for row, grades in enumerate(data.graded):
        ideal[row, grades["easy"]], ideal[row, grades["hard"]] = 2, 1
    everyone = np.tile(np.arange(4993), (70, 1))

    def rank(rows):
        return Ranking.from_scores(everyone[rows], ideal[rows])

    found = evaluate_set(data, Revisited(), rank, block=16)
    assert list(found.metrics.values()) == pytest.approx([1] * 12)
