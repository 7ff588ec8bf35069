"""The rows that a training run wrote: losses, evaluations and events by step."""

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64, Int64

from jaxsim.training.log import read_rows

Row = dict[str, Any]
"""A row: "step", "time_s", and metrics by name or an "event"."""

EVALUATION = "eval/"
"""Prefix of the names of evaluation metrics; "<set>/<metric>" follows."""

_NOT_METRICS = ("step", "time_s", "event")
_LOWER_IS_BETTER = ("loss", "error", "rank")


def read_history(path: str | os.PathLike[str]) -> list[Row]:
    """Reads the rows of a metrics file (one JSON object a line).

    A run that was killed may have left half a last line, which is skipped. A run that
    went on from an older step has written some steps again: of each step and kind
    (training, evaluation, each event) the last row counts.

    Args:
      path: the file, usually metrics.jsonl.

    Returns:
      The rows by rising step; those of one step in the order they were written.

    Raises:
      InputError: the file cannot be read, or a line before the last is no row.
    """
    return _latest(read_rows(path))


def metric_names(rows: Iterable[Row], *, evaluation: bool) -> list[str]:
    """Returns the names of all metrics of one kind, in order of appearance.

    Args:
      rows: the history.
      evaluation: whether to return metrics of evaluations or of training.
    """
    names = dict.fromkeys(name for row in rows for name in row if "event" not in row)
    return [
        name
        for name in names
        if name not in _NOT_METRICS and name.startswith(EVALUATION) == evaluation
    ]


def series(
    rows: Sequence[Row], name: str
) -> tuple[Int64[np.ndarray, " N"], Float64[np.ndarray, " N"]]:
    """Returns the steps at which a metric was written, and its values.

    Args:
      rows: the history.
      name: of the metric.

    Returns:
      int64 [N] steps and float64 [N] values; NaN where the value is no number.
    """
    found = [row for row in rows if name in row and "event" not in row]
    steps = np.array([row["step"] for row in found], np.int64)
    return steps, np.array([_number(row[name]) for row in found], np.float64)


def best_place(
    values: Float64[np.ndarray, " N"], *, lower_is_better: bool
) -> int | None:
    """Returns the index of the first best value, None if no value is a number."""
    if np.isnan(values).all():
        return None
    return int(np.nanargmin(values) if lower_is_better else np.nanargmax(values))


def lower_is_better(name: str) -> bool:
    """Tells whether a metric improves by falling, as losses, errors and ranks do."""
    return name.endswith(_LOWER_IS_BETTER)


def _latest(rows: Iterable[Row]) -> list[Row]:
    latest: dict[tuple[int, str], Row] = {}
    for row in rows:
        key = row["step"], _kind(row)
        latest.pop(key, None)
        latest[key] = row
    return sorted(latest.values(), key=lambda row: row["step"])


def _kind(row: Row) -> str:
    if "event" in row:
        return f"event {row['event']}"
    is_evaluation = any(name.startswith(EVALUATION) for name in row)
    return "evaluation" if is_evaluation else "training"


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else float("nan")
