"""One page about one training run: its curves, what it gained, and where it went."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from markupsafe import Markup

from jaxsim.data.records import RetrievalSet
from jaxsim.evaluation.result import EvaluationResult
from jaxsim.pipeline.embedding_map import EmbeddingMap
from jaxsim.pipeline.pair_scores import PairScores
from jaxsim.report.comparison import require_comparable, set_changes
from jaxsim.report.curves import MOST_POINTS, evaluation_curve, training_curve
from jaxsim.report.history import (
    EVALUATION,
    Row,
    best_place,
    lower_is_better,
    metric_names,
    series,
)
from jaxsim.report.page import Detail, Pictures, fit, render
from jaxsim.report.pair_chart import MATCHING, OTHER, better, mark, pair_chart
from jaxsim.report.scatter import LegendEntry, legend, scatter
from jaxsim.report.text import count, figures

_DETAILS = (
    Detail(px=160, quality=78, queries=4, results=8, rows=500),
    Detail(px=128, quality=70, queries=3, results=8, rows=200),
    Detail(px=96, quality=62, queries=2, results=6, rows=100),
    Detail(px=64, quality=50, queries=1, results=4, rows=50),
    Detail(px=1, quality=50, queries=0, results=0, rows=20),
)

_FIRST = ("loss", "learning_rate", "images_per_s")
# Set by a schedule, so that there is no noise to smooth.
_EXACT = ("learning_rate",)
# The running mean is taken over this share of the points of a curve.
_SMOOTHED_FRAC = 1 / 20


@dataclass(frozen=True, kw_only=True)
class CurveView:
    """A metric over the steps.

    Attributes:
      name: of the metric.
      chart: its curve, None if no value is finite.
      note: its last value, and what the curve leaves out.
      smoothed: whether a running mean is drawn too.
    """

    name: str
    chart: Markup | None
    note: str
    smoothed: bool = False


@dataclass(frozen=True, kw_only=True)
class EventView:
    """Something that happened in a run; details are all other fields of its row."""

    step: int
    time_s: float | None
    event: str
    details: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class MapView:
    """The descriptors as points: title and chart of each map, and their legend."""

    method: str
    num_points: int
    charts: list[tuple[str, Markup]]
    legend: list[LegendEntry]


@dataclass(frozen=True, kw_only=True)
class PairsView:
    """Pairs of one set: their chart, and the fractions that are scored better."""

    name: str
    chart: Markup
    better_matching: float
    better_other: float


def training_page(
    *,
    history: Sequence[Row],
    before: EvaluationResult | None,
    after: EvaluationResult | None,
    sets: Sequence[RetrievalSet],
    embedding_map: EmbeddingMap | None,
    title: str,
    facts: Mapping[str, str],
    pair_scores: Mapping[str, PairScores] | None = None,
    words: tuple[str, str] = ("before", "after"),
    start: tuple[str, Mapping[str, float]] | None = None,
    max_bytes: int = 5_000_000,
) -> str:
    """Makes a self-contained page of a training run.

    It shows every logged metric over the steps, every metric of the evaluations with
    its best value, what the trained model finds against what it found before for the
    same queries, and a map of the descriptors. What is not given is not shown. Equal
    arguments make equal pages.

    Args:
      history: the rows of the run, as `read_history` returns them.
      before: evaluation of the model as it was before training.
      after: evaluation of the trained model, of the same sets.
      sets: the images behind both evaluations, in their order; without any no query
        is shown.
      embedding_map: descriptors as points of a plane.
      title: heading of the page.
      facts: what to tell about the run, such as {"config": …, "time": …}.
      pair_scores: of a learned similarity, pairs of each set.
      words: what `before` and `after` are called, such as "cosine" and "learned".
      start: what the curves show at step 0, in words, and its metrics, where that is
        not `before`.
      max_bytes: size the page must not exceed; thumbnails become smaller and fewer
        until it fits.

    Returns:
      The HTML text.

    Raises:
      InputError: the evaluations measured different sets, `sets` does not fit them,
        or `max_bytes` is too small even for a page without pictures.
    """
    require_comparable(before, after, sets)
    if start is None and before is not None:
        start = words[0], before.metrics
    if start is not None and metric_names(history, evaluation=True):
        first = {f"{EVALUATION}{name}": value for name, value in start[1].items()}
        history = [{"step": 0, "time_s": 0.0, **first}, *history]
    context = {
        "title": title,
        "facts": facts,
        "last_step": max((row["step"] for row in history), default=None),
        "curves": _training_curves(history),
        "most_points": MOST_POINTS,
        "evaluations": _evaluation_curves(history),
        "map": _map_view(embedding_map),
        "pairs": _pairs_views(pair_scores or {}),
        "pair_marks": [("pairs that match", mark(MATCHING)), ("others", mark(OTHER))],
        "words": words,
        "start": None if start is None else start[0],
        "before": before,
        "after": after,
    }
    events = _events(history)

    def build(pictures: Pictures) -> str:
        changes = set_changes(before, after, sets, pictures)
        # The last events tell how the run ended.
        shown = events[-pictures.detail.rows :]
        context.update(
            changes=changes,
            num_results=pictures.detail.results,
            events=shown,
            num_events=len(events),
        )
        return render("training.html.jinja", context)

    return fit(build, _DETAILS, max_bytes=max_bytes)


def _pairs_views(pair_scores: Mapping[str, PairScores]) -> list[PairsView]:
    return [
        PairsView(
            name=name,
            chart=pair_chart(pairs, title=f"learned scores of {name} by cosine"),
            better_matching=better(pairs)[0],
            better_other=better(pairs)[1],
        )
        for name, pairs in pair_scores.items()
    ]


def _span(history: Sequence[Row]) -> tuple[int, int]:
    steps = [row["step"] for row in history]
    return min(steps), max(steps)


def _resumed(history: Sequence[Row]) -> list[int]:
    return [row["step"] for row in history if row.get("event") == "resumed"]


def _training_curves(history: Sequence[Row]) -> list[CurveView]:
    names = metric_names(history, evaluation=False)
    ordered = [n for n in _FIRST if n in names] + [n for n in names if n not in _FIRST]
    return [_training_curve(history, name) for name in ordered]


def _training_curve(history: Sequence[Row], name: str) -> CurveView:
    steps, values = series(history, name)
    finite = values[np.isfinite(values)]
    if not len(finite):
        return CurveView(name=name, chart=None, note="no finite value")
    points = min(len(values), MOST_POINTS)
    window = 1 if name in _EXACT else max(1, round(points * _SMOOTHED_FRAC))
    chart = training_curve(
        steps,
        values,
        title=name,
        span=_span(history),
        window=window,
        resumed=_resumed(history),
    )
    note = f"last {figures(finite[-1])}{_left_out(values)}"
    return CurveView(name=name, chart=chart, note=note, smoothed=window > 1)


def _evaluation_curves(history: Sequence[Row]) -> list[tuple[str, list[CurveView]]]:
    """Returns the curves of each evaluated set."""
    sets: dict[str, list[CurveView]] = {}
    for key in metric_names(history, evaluation=True):
        set_name, _, metric = key.removeprefix(EVALUATION).rpartition("/")
        curve = _evaluation_curve(history, key, metric)
        sets.setdefault(set_name, []).append(curve)
    return list(sets.items())


def _evaluation_curve(history: Sequence[Row], key: str, metric: str) -> CurveView:
    steps, values = series(history, key)
    finite = np.where(np.isfinite(values), values, np.nan)
    falls = lower_is_better(metric)
    if best_place(finite, lower_is_better=falls) is None:
        return CurveView(name=metric, chart=None, note="no finite value")
    chart = evaluation_curve(
        steps,
        values,
        title=key.removeprefix(EVALUATION),
        span=_span(history),
        lower_is_better=falls,
        resumed=_resumed(history),
    )
    last = finite[~np.isnan(finite)][-1]
    better = ", lower is better" if falls else ""
    note = f"last {figures(last)}{better}{_left_out(values)}"
    return CurveView(name=metric, chart=chart, note=note)


def _left_out(values: np.ndarray) -> str:
    num = int((~np.isfinite(values)).sum())
    return f"; {count(num, 'value')} not finite, left out" if num else ""


def _events(history: Sequence[Row]) -> list[EventView]:
    return [
        EventView(
            step=row["step"],
            time_s=_time_s(row),
            event=str(row["event"]),
            details={
                name: _value(value)
                for name, value in row.items()
                if name not in ("step", "time_s", "event")
            },
        )
        for row in history
        if "event" in row
    ]


def _time_s(row: Row) -> float | None:
    time_s = row.get("time_s")
    if isinstance(time_s, int | float) and np.isfinite(time_s):
        return float(time_s)
    return None


def _value(value: Any) -> str:
    return figures(value) if isinstance(value, float) else str(value)


def _map_view(shown: EmbeddingMap | None) -> MapView | None:
    if shown is None:
        return None
    explained = legend(shown.labels)
    layers = {"before": shown.before, "after": shown.points}
    return MapView(
        method=shown.method,
        num_points=len(shown.points),
        charts=[
            (
                f"{when.capitalize()} training" if shown.before is not None else "",
                scatter(
                    points,
                    shown.labels,
                    shown.names,
                    classes=explained.classes,
                    title=f"{shown.method} map of descriptors {when} training",
                ),
            )
            for when, points in layers.items()
            if points is not None
        ],
        legend=explained.entries,
    )
