"""Two evaluations of the same images, before and after training, side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from jaxsim.core.errors import InputError
from jaxsim.data.records import RetrievalSet
from jaxsim.evaluation.result import EvaluationResult, SetResult
from jaxsim.report.history import lower_is_better
from jaxsim.report.page import Pictures
from jaxsim.report.query_view import QueryView, query_view, require_sets
from jaxsim.report.selection import choose_changed_queries


@dataclass(frozen=True, kw_only=True)
class MetricChange:
    """A metric before and after.

    Attributes:
      name: of the metric.
      before: its value, None if it was not measured.
      after: its value, None if it was not measured.
      difference: after minus before, None if one is missing.
      verdict: "gain", "loss", or "" where nothing changed or can be said.
      definition: what it measures.
    """

    name: str
    before: float | None
    after: float | None
    difference: float | None
    verdict: str
    definition: str


@dataclass(frozen=True, kw_only=True)
class QueryChange:
    """A query with what was found for it before and after."""

    before: QueryView
    after: QueryView
    gain: float


@dataclass(frozen=True, kw_only=True)
class SetChange:
    """A retrieval set before and after.

    Attributes:
      name: of the set.
      metrics: all that either evaluation has measured.
      num_judged: queries judged by both.
      num_risen: of these, with a higher average precision after.
      num_fallen: with a lower one.
      mean_gain: of their average precision, NaN if none was judged.
      depth: length of the rankings.
      groups: title, note and queries of each group that is shown.
    """

    name: str
    metrics: list[MetricChange]
    num_judged: int = 0
    num_risen: int = 0
    num_fallen: int = 0
    mean_gain: float = float("nan")
    depth: int = 0
    groups: Sequence[tuple[str, str, list[QueryChange]]] = ()


def require_comparable(
    before: EvaluationResult | None,
    after: EvaluationResult | None,
    sets: Sequence[RetrievalSet],
) -> None:
    """Checks that both evaluations measured the same sets.

    Args:
      before: an evaluation, or None.
      after: another one, or None.
      sets: the images behind both; empty if there are none to show.

    Raises:
      InputError: the names or the sizes of the sets differ.
    """
    results = [result for result in (before, after) if result is not None]
    names = [[found.name for found in result.sets] for result in results]
    if len(names) == 2 and names[0] != names[1]:
        raise InputError(
            f"the evaluation before training measured the sets {names[0]}, the one "
            f"after it {names[1]}; evaluate both on the same data"
        )
    for result in results if sets else []:
        require_sets(result, sets)


def set_changes(
    before: EvaluationResult | None,
    after: EvaluationResult | None,
    sets: Sequence[RetrievalSet],
    pictures: Pictures,
) -> list[SetChange]:
    """Compares two evaluations set by set.

    Args:
      before: an evaluation, or None.
      after: another one of the same sets, or None.
      sets: the images behind them; without images no query is shown.
      pictures: makes the thumbnails; its detail says how many queries a group has.
    """
    known = after or before
    if known is None:
        return []
    changes = []
    for i in range(len(known.sets)):
        old = before.sets[i] if before else None
        new = after.sets[i] if after else None
        metrics = metric_changes(old, new)
        name = known.sets[i].name
        if old and new and sets:
            change = _with_queries(name, metrics, old, new, sets[i], pictures)
        else:
            change = SetChange(name=name, metrics=metrics)
        changes.append(change)
    return changes


def metric_changes(
    before: SetResult | None, after: SetResult | None
) -> list[MetricChange]:
    """Returns every metric of one set, in the order of the evaluation after."""
    old = before.metrics if before else {}
    new = after.metrics if after else {}
    definitions = {
        **(before.definitions if before else {}),
        **(after.definitions if after else {}),
    }
    changes = []
    for name in dict.fromkeys([*new, *old]):
        difference = new[name] - old[name] if name in new and name in old else None
        changes.append(
            MetricChange(
                name=name,
                before=old.get(name),
                after=new.get(name),
                difference=difference,
                verdict=_verdict(name, difference),
                definition=definitions.get(name, ""),
            )
        )
    return changes


def _verdict(name: str, difference: float | None) -> str:
    # What is shown as 0.000 is neither.
    if difference is None or not abs(difference) >= 0.0005:
        return ""
    return "gain" if (difference > 0) != lower_is_better(name) else "loss"


def _with_queries(
    name: str,
    metrics: list[MetricChange],
    before: SetResult,
    after: SetResult,
    images: RetrievalSet,
    pictures: Pictures,
) -> SetChange:
    gain = after.average_precision - before.average_precision
    judged = gain[~np.isnan(gain)]
    groups = choose_changed_queries(gain, per_group=pictures.detail.queries)
    return SetChange(
        name=name,
        metrics=metrics,
        num_judged=len(judged),
        num_risen=int((judged > 0).sum()),
        num_fallen=int((judged < 0).sum()),
        mean_gain=float(judged.mean()) if len(judged) else float("nan"),
        depth=min(before.ranking.ids.shape[1], after.ranking.ids.shape[1]),
        groups=[
            (
                group.title,
                group.note,
                [
                    QueryChange(
                        before=query_view(before, images, query, pictures),
                        after=query_view(after, images, query, pictures),
                        gain=float(gain[query]),
                    )
                    for query in group.queries
                ],
            )
            for group in groups
        ],
    )
