"""The metrics that protocols offer, each with its definition."""

from functools import partial

from jaxsim.evaluation.protocols.base import Measure
from jaxsim.metrics.average_precision import (
    average_precision_finite,
    average_precision_trapezoid,
)
from jaxsim.metrics.top_k import (
    map_at_r,
    precision_at_k,
    r_precision,
    recall_at_k,
    revisited_precision_at_k,
)

TRAPEZOID = "trapezoid: mean of the precision before and after each right image"
FINITE = "finite sum: mean of the precision at each right image"

MAP_TRAPEZOID = Measure(
    "map",
    "Mean over queries of the average precision, the area under the precision-recall "
    "curve by the trapezoid rule.",
    average_precision_trapezoid,
)
MAP_FINITE = Measure(
    "map",
    "Mean over queries of the average precision, the mean of the precision at the "
    "position of each right image.",
    average_precision_finite,
)
R_PRECISION = Measure(
    "r_precision",
    "Mean share of right images among the first R results, R being the number of right "
    "images that exist.",
    r_precision,
)
MAP_AT_R = Measure(
    "map@r",
    "Mean over queries of the average precision (finite sum) of the first R results, R "
    "being the number of right images that exist.",
    map_at_r,
)


def recall(k: int) -> Measure:
    """Returns recall@k: 1 for a query with a right image among its first k."""
    return Measure(
        f"recall@{k}",
        f"Share of queries with at least one right image {_within(k)}.",
        partial(recall_at_k, k=k),
    )


def precision(k: int) -> Measure:
    """Returns precision@k: the share of right images among the first k."""
    return Measure(
        f"precision@{k}",
        f"Mean share of right images {_within(k)}.",
        partial(precision_at_k, k=k),
    )


def revisited_precision(k: int) -> Measure:
    """Returns mp@k of the revisited sets, reachable by queries with few positives."""
    return Measure(
        f"mp@{k}",
        f"Mean share of right images {_within(k)}, or down to the last right image if "
        "that comes earlier.",
        partial(revisited_precision_at_k, k=k),
    )


def _within(k: int) -> str:
    return "as first result" if k == 1 else f"among the first {k} results"
