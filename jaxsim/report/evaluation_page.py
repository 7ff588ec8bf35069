"""One page about one evaluation: the numbers, their meaning and their pictures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from jaxsim.data.records import RetrievalSet
from jaxsim.evaluation.result import EvaluationResult, SetResult
from jaxsim.report.charts import histogram
from jaxsim.report.page import Detail, Pictures, fit, render
from jaxsim.report.query_view import (
    QueryView,
    first_right,
    query_view,
    require_sets,
)
from jaxsim.report.selection import asked, choose_queries

_DETAILS = (
    Detail(px=192, quality=80, queries=4, results=12, rows=2000),
    Detail(px=160, quality=72, queries=4, results=12, rows=1000),
    Detail(px=128, quality=65, queries=3, results=6, rows=500),
    Detail(px=96, quality=60, queries=2, results=5, rows=200),
    Detail(px=64, quality=50, queries=1, results=4, rows=50),
    Detail(px=1, quality=50, queries=0, results=0, rows=0),
)


@dataclass(frozen=True, kw_only=True)
class RowView:
    """A query as a row of the table of all queries."""

    name: str
    average_precision: float
    num_positives: int
    first_right: int | None


@dataclass(frozen=True, kw_only=True)
class SetView:
    """A retrieval set as a section of the page."""

    anchor: str
    result: SetResult
    num_queries: int
    num_judged: int
    num_database: int
    depth: int
    chart: Markup | None
    groups: list[tuple[str, str, list[QueryView]]]
    rows: list[RowView]


def evaluation_page(
    result: EvaluationResult,
    sets: Sequence[RetrievalSet],
    *,
    title: str,
    max_bytes: int = 5_000_000,
) -> str:
    """Makes a self-contained page of an evaluation.

    It shows every metric with its definition, the rules used, a histogram of average
    precision, the best, typical and worst queries with their first results, the images
    left out, and what was measured with which versions. Equal arguments make equal
    pages.

    Args:
      result: what the evaluation found.
      sets: the images behind `result.sets`, in the same order.
      title: heading of the page.
      max_bytes: size the page must not exceed; thumbnails become smaller and fewer
        until it fits.

    Returns:
      The HTML text.

    Raises:
      InputError: `sets` does not fit `result`, or `max_bytes` is too small even for
        a page without pictures.
    """
    require_sets(result, sets)

    def build(pictures: Pictures) -> str:
        views = [
            _set_view(found, images, pictures, anchor=f"set-{i}")
            for i, (found, images) in enumerate(zip(result.sets, sets, strict=True), 1)
        ]
        names = list(dict.fromkeys(name for s in result.sets for name in s.metrics))
        context = {
            "title": title,
            "result": result,
            "sets": views,
            "metrics": names,
            "rejects": result.rejects[: pictures.detail.rows],
        }
        return render("evaluation.html.jinja", context)

    return fit(build, _DETAILS, max_bytes=max_bytes)


def _set_view(
    found: SetResult, images: RetrievalSet, pictures: Pictures, *, anchor: str
) -> SetView:
    ap = found.average_precision
    judged = np.flatnonzero(~np.isnan(ap))
    groups = choose_queries(ap, per_group=pictures.detail.queries)
    worst_first = judged[np.argsort(ap[judged], kind="stable")]
    return SetView(
        anchor=anchor,
        result=found,
        num_queries=len(ap),
        num_judged=len(judged),
        num_database=len(images.database),
        depth=found.ranking.ids.shape[1],
        chart=_chart(found) if len(judged) else None,
        groups=[
            (
                g.title,
                g.note,
                [query_view(found, images, q, pictures) for q in g.queries],
            )
            for g in groups
        ],
        rows=[
            RowView(
                name=asked(images)[q].name,
                average_precision=float(ap[q]),
                num_positives=int(found.num_positives[q]),
                first_right=first_right(found.relevance[q]),
            )
            for q in worst_first[: pictures.detail.rows].tolist()
        ],
    )


def _chart(found: SetResult) -> Markup:
    return histogram(
        found.average_precision,
        title=f"Histogram of average precision on {found.name}",
        x_label="average precision of a query",
        y_label="queries",
    )
