"""Each protocol on rankings small enough to judge by hand."""

import pytest

from jaxsim.core.errors import InputError
from jaxsim.data.records import RetrievalSet
from jaxsim.evaluation.protocols.holidays import Holidays
from jaxsim.evaluation.protocols.instre import Instre
from jaxsim.evaluation.protocols.oxford_paris import OxfordParis
from jaxsim.evaluation.protocols.query_reference import QueryReference
from jaxsim.evaluation.protocols.revisited import Revisited
from jaxsim.evaluation.protocols.same_label import SameLabel
from jaxsim.evaluation.runner import evaluate_set
from tests.evaluation.sets import ranker, record, records

REVISITED = RetrievalSet(
    name="r",
    database=records("a b c d e f g h"),
    queries=[record("q", box=(0.0, 0.0, 5.0, 5.0))],
    graded=[{"easy": [1, 7], "hard": [2], "junk": [5]}],
)


def test_revisited_published_example():
    result = evaluate_set(REVISITED, Revisited(), ranker([5, 2, 7, 0, 1, 3, 6, 4]))
    expected = {
        "easy/map": 0.791667,
        "easy/mp@1": 1,
        "easy/mp@5": 0.666667,
        "easy/mp@10": 0.666667,
        "medium/map": 0.902778,
        "medium/mp@1": 1,
        "medium/mp@5": 0.75,
        "medium/mp@10": 0.75,
        "hard/map": 1,
        "hard/mp@1": 1,
        "hard/mp@5": 1,
        "hard/mp@10": 1,
    }
    assert result.metrics == pytest.approx(expected, abs=1e-6)
    assert result.relevance.tolist() == [[-1, 1, 1, 0, 1, 0, 0, 0]]
    assert result.average_precision == pytest.approx([0.902778], abs=1e-6)
    assert result.num_positives.tolist() == [3]
    assert result.protocol["query_crop"] == "each query is cropped to its given box"
    assert result.protocol["query_image"] == "not in the database"


def test_revisited_leaves_a_query_out_of_the_difficulty_it_has_no_positives_for():
    data = RetrievalSet(
        name="r",
        database=records("a b c"),
        queries=records("p q"),
        graded=[
            {"easy": [], "hard": [0], "junk": []},
            {"easy": [2], "hard": [], "junk": []},
        ],
    )
    result = evaluate_set(data, Revisited(), ranker([0, 1, 2], [0, 1, 2]))
    assert result.metrics["hard/map"] == 1
    assert result.metrics["easy/map"] == pytest.approx(1 / 6)  # (0 + 1/3) / 2
    assert result.protocol["hard/queries_judged"] == "1"
    assert result.protocol["medium/queries_judged"] == "2"


def test_revisited_omits_a_difficulty_without_any_positive():
    data = RetrievalSet(
        name="r",
        database=records("a b"),
        queries=records("q"),
        graded=[{"easy": [0], "hard": [], "junk": []}],
    )
    result = evaluate_set(data, Revisited(), ranker([0, 1]))
    assert {name.split("/")[0] for name in result.metrics} == {"easy", "medium"}
    assert result.metrics.keys() == result.definitions.keys()
    assert result.protocol["hard/queries_judged"] == "0"


@pytest.mark.parametrize(
    "graded, complaint",
    [
        (None, "needs graded answers"),
        ([{"easy": [1], "hard": [2]}], "lacks the grade 'junk'"),
        ([{"easy": [1], "hard": [1], "junk": []}], "two of the grades"),
        ([{"easy": [1], "hard": [9], "junk": []}], "names image 9"),
    ],
)
def test_revisited_refuses_bad_ground_truth(graded, complaint):
    data = RetrievalSet(
        name="r", database=records("a b c"), queries=records("q"), graded=graded
    )
    with pytest.raises(InputError, match=complaint):
        evaluate_set(data, Revisited(), ranker([0, 1, 2]))


def test_oxford_skips_junk_and_counts_the_query_itself():
    data = RetrievalSet(
        name="o",
        database=records("a b c d e f"),
        queries=[record("a", box=(0.0, 0.0, 5.0, 5.0))],
        positives=[[0, 4, 5, 1]],
        ignored=[[3]],
    )
    # Only the first of 4 right images is found.
    result = evaluate_set(data, OxfordParis(), ranker([0, 3, 2, -1, -1, -1]))
    assert result.metrics == pytest.approx({"map": 1 / 4})
    # Without junk (3): right at 0-based ranks 0, 3, 4 of 4 right images.
    data = RetrievalSet(
        name="o",
        database=records("a b c d e f g"),
        queries=records("a"),
        positives=[[0, 4, 5, 6]],
        ignored=[[3]],
    )
    result = evaluate_set(data, OxfordParis(), ranker([0, 3, 2, 1, 4, 5, -1]))
    assert result.metrics == pytest.approx({"map": 0.491667}, abs=1e-6)
    assert result.relevance.tolist() == [[1, -1, 0, 0, 1, 1, -1]]
    assert result.protocol["query_image"] == "in the database, counted as right"
    assert result.protocol["query_crop"] == "queries are whole images"


def test_holidays_ignores_the_query_wherever_it_is_ranked():
    data = RetrievalSet(
        name="h",
        database=records("a b c d"),
        queries=records("a"),
        positives=[[1, 2]],
        ignored=[[0]],
    )
    for order in ([1, 0, 3, 2], [0, 1, 3, 2], [1, 3, 2, 0]):
        result = evaluate_set(data, Holidays(), ranker(order))
        # Right at ranks 0 and 2: (1 + (1/2 + 2/3) / 2) / 2.
        assert result.metrics == pytest.approx({"map": (1 + 7 / 12) / 2})
    assert result.protocol["query_image"] == "in the database, ignored"


def test_instre_counts_every_image():
    data = RetrievalSet(
        name="i",
        database=records("a b c"),
        queries=[record("q", box=(0.0, 0.0, 5.0, 5.0)), record("p")],
        positives=[[2], [0]],
    )
    result = evaluate_set(data, Instre(), ranker([0, 2, 1], [0, 1, 2]))
    assert result.metrics == pytest.approx({"map": (0.25 + 1) / 2})
    assert result.protocol["query_crop"].startswith("1 of 2 queries")


def test_query_reference_with_one_right_answer_each():
    data = RetrievalSet(
        name="s",
        database=records("a b c d"),
        queries=records("x y"),
        positives=[[2], [3]],
    )
    result = evaluate_set(
        data, QueryReference(recall_at=(1, 2)), ranker([0, 2, 1, 3], [3, 0, 1, 2])
    )
    assert result.metrics == pytest.approx(
        {"map": 0.75, "recall@1": 0.5, "recall@2": 1}
    )


@pytest.mark.parametrize(
    "positives, ignored, complaint",
    [
        (None, None, "does not list which images are right"),
        ([[0, 7]], None, "names image 7"),
        ([[-1]], None, "names image -1"),
        ([[0, 1]], [[1]], "both as right and as ignored"),
        ([[]], None, "none of the 1 queries"),
    ],
)
def test_listed_answers_that_cannot_be_used(positives, ignored, complaint):
    data = RetrievalSet(
        name="s",
        database=records("a b"),
        queries=records("x"),
        positives=positives,
        ignored=ignored,
    )
    with pytest.raises(InputError, match=complaint):
        evaluate_set(data, QueryReference(), ranker([0, 1]))


def test_an_answer_listed_twice_counts_once():
    data = RetrievalSet(
        name="s", database=records("a b"), queries=records("x"), positives=[[1, 1]]
    )
    result = evaluate_set(data, QueryReference(), ranker([1, 0]))
    assert result.metrics["map"] == 1
    assert result.num_positives.tolist() == [1]


def test_same_label_removes_itself_by_id_and_drops_lonely_labels():
    labels = ["cat", "dog", "cat", "fox", None, "cat"]
    data = RetrievalSet(
        name="l", database=[record(str(i), label) for i, label in enumerate(labels)]
    )
    rankings = (
        [1, 2, 0, 3, 4, 5],  # cat 0: itself third; right at ranks 1 and 4 of 2
        [0, 1, 2, 3, 4, 5],  # dog: no other dog
        [2, 0, 5, 1, 3, 4],  # cat 2: perfect
        [3, 0, 1, 2, 4, 5],  # fox: no other fox
        [4, 0, 1, 2, 3, 5],  # no label
        [0, 1, 3, 2, 4, 5],  # cat 5: right at ranks 0 and 3
    )
    result = evaluate_set(
        data, SameLabel(recall_at=(1, 2), precision_at=(2,)), ranker(*rankings)
    )
    first, third = (1 / 2 + 2 / 5) / 2, (1 + 2 / 4) / 2
    assert result.metrics == pytest.approx(
        {
            "map": (first + 1 + third) / 3,
            "recall@1": 2 / 3,
            "recall@2": 1,
            "precision@2": (1 / 2 + 1 + 1 / 2) / 3,
            "r_precision": (1 / 2 + 1 + 1 / 2) / 3,
            "map@r": (1 / 4 + 1 + 1 / 2) / 3,
        }
    )
    assert result.relevance[0].tolist() == [0, 1, -1, 0, 0, 1]
    assert result.num_positives.tolist() == [2, 0, 2, 0, 0, 2]
    assert result.protocol["queries_judged"] == "3"
    assert result.protocol["queries_without_right_image"] == "3"


def test_same_label_of_test_queries_against_a_train_index():
    data = RetrievalSet(
        name="l",
        database=[record("a", "cat"), record("b", "dog"), record("c", "cat")],
        queries=[record("d", "cat"), record("e", "emu")],
    )
    result = evaluate_set(data, SameLabel(), ranker([1, 0, 2], [0, 1, 2]))
    assert result.metrics["map"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert result.metrics["r_precision"] == 0.5
    assert result.protocol["queries_judged"] == "1"


def test_same_label_skips_listed_images():
    data = RetrievalSet(
        name="l",
        database=[record(name, "cat") for name in "abc"],
        ignored=[[1], [], []],
    )
    result = evaluate_set(data, SameLabel(), ranker(*[[1, 2, 0]] * 3))
    assert result.num_positives.tolist() == [1, 2, 2]
    assert result.relevance[0].tolist() == [-1, 1, -1]


def test_same_label_needs_labels():
    data = RetrievalSet(name="flat", database=records("a b"))
    with pytest.raises(InputError, match="needs labels, but the images of 'flat'"):
        evaluate_set(data, SameLabel(), ranker([0, 1], [0, 1]))


def test_same_label_needs_two_images_of_one_label():
    data = RetrievalSet(name="x", database=[record("a", "cat"), record("b", "dog")])
    with pytest.raises(InputError, match="at least two images of one"):
        evaluate_set(data, SameLabel(), ranker([0, 1], [0, 1]))
