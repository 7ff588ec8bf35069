"""Which images of an evaluation are worth a look."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from jaxsim.data.records import Record, RetrievalSet
from jaxsim.report.text import signed


@dataclass(frozen=True)
class QueryGroup:
    """Queries shown together.

    Attributes:
      title: "Best queries", ….
      note: how they were chosen.
      queries: their row numbers.
    """

    title: str
    note: str
    queries: tuple[int, ...]


def choose_queries(
    average_precision: Float32[np.ndarray, " Q"], *, per_group: int
) -> list[QueryGroup]:
    """Chooses the best, the typical and the worst queries.

    Equal queries are taken in order of their number, none is taken twice, and when
    there are too few for three groups all of them come in one.

    Args:
      average_precision: float32 [Q]; NaN for queries that were not judged.
      per_group: size of a group, >= 0.

    Returns:
      The groups that are not empty.
    """
    judged = np.flatnonzero(~np.isnan(average_precision))
    ap = average_precision[judged]
    falling = judged[np.argsort(-ap, kind="stable")]
    if len(judged) <= 3 * per_group:
        return _groups(("All queries", "Highest average precision first.", falling))
    median = np.median(ap)
    rising = judged[np.argsort(ap, kind="stable")]
    nearest = judged[np.argsort(abs(ap - median), kind="stable")]
    best = falling[:per_group]
    worst = rising[~np.isin(rising, best)][:per_group]
    typical = nearest[~np.isin(nearest, [best, worst])][:per_group]
    near = f"Average precision nearest to the median, {median:.3f}."
    return _groups(
        ("Best queries", "The highest average precision.", best),
        ("Typical queries", near, typical),
        ("Worst queries", "The lowest average precision.", worst),
    )


def choose_changed_queries(
    gain: Float32[np.ndarray, " Q"], *, per_group: int
) -> list[QueryGroup]:
    """Chooses queries that gained most, changed typically and lost most.

    Equal queries are taken in order of their number, none is taken twice, and when
    there are too few for three groups all of them come in one.

    Args:
      gain: float32 [Q], average precision after minus before; NaN for queries that
        were not judged.
      per_group: size of a group, >= 0.

    Returns:
      The groups that are not empty.
    """
    judged = np.flatnonzero(~np.isnan(gain))
    gains = gain[judged]
    falling = judged[np.argsort(-gains, kind="stable")]
    if len(judged) <= 3 * per_group:
        return _groups(("All queries", "The largest gain first.", falling))
    median = np.median(gains)
    rising = judged[np.argsort(gains, kind="stable")]
    nearest = judged[np.argsort(abs(gains - median), kind="stable")]
    most = falling[gain[falling] > 0][:per_group]
    least = rising[gain[rising] < 0][:per_group]
    typical = nearest[~np.isin(nearest, [*most, *least])][:per_group]
    near = f"The gain nearest to the median, {signed(float(median))}."
    return _groups(
        ("Largest gains", "Average precision rose most.", most),
        ("Typical queries", near, typical),
        ("Largest losses", "Average precision fell most.", least),
    )


def asked(images: RetrievalSet) -> Sequence[Record]:
    """Returns the queries of a set; without any, each image asks for the others."""
    return images.database if images.queries is None else images.queries


def missed_image(images: RetrievalSet, query: int) -> int | None:
    """Returns the first image that a query should have found.

    Args:
      images: the retrieval set.
      query: row number of the query.

    Returns:
      An id of the database, or None where only the protocol knows what is right.
    """
    if images.graded is not None:
        return None
    if images.positives is not None:
        right = images.positives[query]
    else:
        label = asked(images)[query].label
        itself = query if images.queries is None else None
        right = [
            i
            for i, record in enumerate(images.database)
            if label is not None and record.label == label and i != itself
        ]
    ignored = set() if images.ignored is None else set(images.ignored[query])
    known = range(len(images.database))
    return next((int(i) for i in right if i not in ignored and i in known), None)


def _groups(*chosen: tuple[str, str, np.ndarray]) -> list[QueryGroup]:
    return [
        QueryGroup(title, note, tuple(int(q) for q in queries))
        for title, note, queries in chosen
        if len(queries)
    ]
