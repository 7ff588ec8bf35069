"""One page of several ways to re-rank: their numbers, and what the best one changes."""

from dataclasses import dataclass

from markupsafe import Markup

from jaxsim.experiment.rerank_comparison import (
    PairHistory,
    RerankingComparison,
    SetComparison,
    shown_metrics,
)
from jaxsim.pipeline.embedding_map import EmbeddingMap
from jaxsim.report.charts import histogram
from jaxsim.report.page import render
from jaxsim.report.scatter import LegendEntry, legend, scatter


@dataclass(frozen=True, kw_only=True)
class SetView:
    """A set as a section of the page."""

    anchor: str
    found: SetComparison
    metrics: list[str]
    highest: dict[str, float]
    histograms: list[tuple[str, Markup]]
    maps: list[tuple[str, Markup]]
    map_method: str
    num_points: int
    legend: list[LegendEntry]


def rerank_page(found: RerankingComparison, *, title: str) -> str:
    """Makes a self-contained page of a comparison of re-rankers.

    It shows each set's table of methods, how matching and other pairs are scored before
    and after the method shown, and a map of some labels before and after. It holds no
    photos. Equal arguments make equal pages.

    Args:
      found: the comparison.
      title: heading of the page.

    Returns:
      The HTML text.
    """
    views = [_view(part, f"set-{i}") for i, part in enumerate(found.sets, 1)]
    return render(
        "rerank.html.jinja",
        {
            "title": title,
            "sets": views,
            "about": found.about | {"device": found.device} | found.versions,
        },
    )


def _view(part: SetComparison, anchor: str) -> SetView:
    names = shown_metrics(part)
    explained = legend(part.map.labels) if part.map else None
    return SetView(
        anchor=anchor,
        found=part,
        metrics=names,
        highest={n: max(m.metrics[n] for m in part.methods) for n in names},
        histograms=_histograms(part.pairs, part.shown),
        maps=_maps(part.map, part.mapped, explained.classes) if explained else [],
        map_method=part.map.method if part.map else "",
        num_points=len(part.map.points) if part.map else 0,
        legend=explained.entries if explained else [],
    )


def _histograms(pairs: PairHistory, shown: str) -> list[tuple[str, Markup]]:
    layers = {"cosine": pairs.before, shown: pairs.after}
    kinds = {"pairs that match": pairs.matching, "other pairs": ~pairs.matching}
    return [
        (
            f"{name}: {kind}",
            histogram(
                values[chosen],
                title=f"Histogram of scores of {kind} by {name}",
                x_label="score, from a query's least to its largest",
                y_label="pairs",
            ),
        )
        for name, values in layers.items()
        for kind, chosen in kinds.items()
        if (values[chosen] >= 0).any()
    ]


def _maps(
    shown: EmbeddingMap | None, method: str, classes: dict[str, str]
) -> list[tuple[str, Markup]]:
    if shown is None or shown.before is None:
        return []
    layers = {"descriptors": shown.before, f"after {method}": shown.points}
    return [
        (
            name.capitalize(),
            scatter(
                points,
                shown.labels,
                shown.names,
                classes=classes,
                title=f"{shown.method} map, {name}",
            ),
        )
        for name, points in layers.items()
    ]
