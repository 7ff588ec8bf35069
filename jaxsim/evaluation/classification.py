"""Top-k accuracy of a classifier, for checking imported weights."""

import numpy as np
from jaxtyping import Float, Int

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import Ranking
from jaxsim.evaluation.result import SetResult


def evaluate_classification(
    scores: Float[np.ndarray, "Q C"],
    class_indices: Int[np.ndarray, " _"],
    *,
    name: str,
    top: tuple[int, ...] = (1, 5),
    keep: int = 20,
) -> SetResult:
    """Measures how often the true class is among the k of highest score.

    The result has the shape of a retrieval whose database is the list of classes: ids
    are class indices, and the average precision is 1 / rank of the true class.

    Args:
      scores: float [Q, C] class scores (logits or probabilities); a row of NaN is an
        image without scores, and counts as wrong.
      class_indices: int [Q] true classes in [0, C).
      name: prefix of the metric names.
      top: the k measured, each >= 1.
      keep: classes kept per image, for reports.

    Raises:
      InputError: there are no images, shapes disagree, a class is out of range, or a
        row is NaN in part.
    """
    num_images, num_classes = scores.shape
    _check(scores, class_indices, name)
    absent = np.isnan(scores).all(axis=1, keepdims=True)
    classes = np.broadcast_to(np.arange(num_classes), scores.shape)
    ranking = Ranking.from_scores(np.where(absent, -1, classes), scores)
    right = np.equal(ranking.ids, np.asarray(class_indices)[:, None])
    rank = np.where(right.any(axis=1), right.argmax(axis=1), np.inf)
    shown = min(keep, num_classes)
    return SetResult(
        name=name,
        metrics={f"top{k}": float((rank < k).mean()) for k in top},
        definitions={
            f"top{k}": "Share of images whose true class "
            + ("has the highest score." if k == 1 else f"is among the {k} highest.")
            for k in top
        },
        protocol={
            "protocol": "classification",
            "classes": str(num_classes),
            "images_judged": str(num_images),
            "images_unreadable": str(int(absent.sum())),
            "without_scores": "counts as wrong",
            "ties": "equal scores are ordered by class index",
        },
        average_precision=(1 / (rank + 1)).astype(np.float32),
        ranking=Ranking(ranking.ids[:, :shown], ranking.scores[:, :shown]),
        relevance=np.where(ranking.ids[:, :shown] < 0, -1, right[:, :shown]).astype(
            np.int8
        ),
        num_positives=np.ones(num_images, np.int64),
    )


def _check(scores: np.ndarray, class_indices: np.ndarray, name: str) -> None:
    if len(scores) == 0 or len(scores) != len(class_indices):
        raise InputError(
            f"'{name}' needs one true class per row of scores, and at least one row; "
            f"got {len(scores)} rows and {len(class_indices)} classes"
        )
    num_classes = scores.shape[1]
    if class_indices.min() < 0 or class_indices.max() >= num_classes:
        raise InputError(
            f"the true classes of '{name}' run from {class_indices.min()} to "
            f"{class_indices.max()}, but there are scores for {num_classes} classes. "
            "Use the class list that the network was trained with."
        )
    nan = np.isnan(scores)
    partly = np.flatnonzero(nan.any(axis=1) & ~nan.all(axis=1))
    if len(partly):
        raise InputError(
            f"row {partly[0]} of the class scores of '{name}' is NaN in part; the "
            "network's weights or its input are damaged"
        )
