import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.evaluation.classification import evaluate_classification
from jaxsim.evaluation.result import EvaluationResult

SCORES = np.array(
    [[0.1, 0.7, 0.2], [0.5, 0.3, 0.4], [0.3, 0.3, 0.4], [np.nan] * 3], np.float32
)
TRUE = np.array([1, 2, 1, 0])


def test_counts_the_true_class_among_the_highest():
    result = evaluate_classification(SCORES, TRUE, name="sample", top=(1, 2, 3), keep=2)
    # Ranks: 1st, 2nd, 3rd (the tie with class 0 goes to 0), no scores.
    assert result.metrics == {"top1": 0.25, "top2": 0.5, "top3": 0.75}
    assert result.average_precision == pytest.approx([1, 1 / 2, 1 / 3, 0])
    assert result.ranking.ids.tolist() == [[1, 2], [0, 2], [2, 0], [-1, -1]]
    assert result.relevance.tolist() == [[1, 0], [0, 1], [0, 0], [-1, -1]]
    assert result.protocol["images_unreadable"] == "1"
    assert result.definitions.keys() == result.metrics.keys()


def test_stands_beside_retrieval_sets():
    result = evaluate_classification(SCORES, TRUE, name="sample", top=(1,))
    whole = EvaluationResult(
        sets=(result,), model={}, data={}, versions={}, device="cpu"
    )
    assert whole.to_json()["metrics"] == {"sample/top1": 0.25}


@pytest.mark.parametrize(
    "scores, true, complaint",
    [
        (SCORES[:0], TRUE[:0], "at least one row"),
        (SCORES, TRUE[:2], "4 rows and 2 classes"),
        (SCORES, TRUE + 2, "from 2 to 4"),
        (SCORES, TRUE - 1, "from -1 to 1"),
        (np.array([[0.1, np.nan, 0.2]], np.float32), TRUE[:1], "NaN in part"),
    ],
)
def test_refuses_what_cannot_be_judged(scores, true, complaint):
    with pytest.raises(InputError, match=complaint):
        evaluate_classification(scores, true, name="sample")
