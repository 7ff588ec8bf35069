"""Metrics over the steps of a training run, as line charts."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float64, Int64
from markupsafe import Markup

from jaxsim.core.errors import InputError
from jaxsim.report.drawing import (
    Frame,
    Number,
    Scale,
    line,
    round_ticks,
    svg,
    tick_labels,
    words,
)
from jaxsim.report.history import best_place
from jaxsim.report.text import figures

MOST_POINTS = 500
"""A line has no more points than this; longer ones are drawn as means."""

# Three fit side by side on a desktop, at one unit a CSS pixel.
_WIDTH, _HEIGHT, _RIGHT, _TOP, _BOTTOM = 330, 196, 306, 28, 154
_PX_PER_LETTER = 6.9
# With more points than this, marks would hide the line.
_MOST_MARKS = 60


def training_curve(
    steps: Int64[np.ndarray, " N"],
    values: Float64[np.ndarray, " N"],
    *,
    title: str,
    span: tuple[int, int],
    window: int,
    resumed: Sequence[int] = (),
) -> Markup:
    """Draws a training metric: as it was logged, and smoothed.

    Args:
      steps: int64 [N], rising.
      values: float64 [N]; where a value is not finite the line has a gap.
      title: name of the metric.
      span: first and last step of the axis.
      window: how many points the running mean is taken over; 1 draws none.
      resumed: steps at which the run went on after an interruption.

    Returns:
      An `<svg>` element.

    Raises:
      InputError: no value is finite.
    """
    steps_drawn, drawn = _drawable(steps, values, title)
    chart = _Chart(drawn, span=span, resumed=resumed)
    legend = []
    if window > 1:
        smooth = running_mean(drawn, window)
        lines = [chart.path(steps_drawn, drawn, "logged")]
        lines += [chart.path(steps_drawn, smooth, "curve")]
        legend = [("logged", "logged"), ("curve", "running mean")]
    else:
        lines = [chart.path(steps_drawn, drawn, "curve")]
    lines += chart.points(steps, values)
    finite = values[np.isfinite(values)]
    summary = (
        f"{len(finite):,} values, from {figures(finite[0])} to {figures(finite[-1])}"
    )
    return chart.svg(lines, legend, title=title, summary=summary)


def evaluation_curve(
    steps: Int64[np.ndarray, " N"],
    values: Float64[np.ndarray, " N"],
    *,
    title: str,
    span: tuple[int, int],
    lower_is_better: bool,
    resumed: Sequence[int] = (),
) -> Markup:
    """Draws an evaluation metric with its best value marked.

    Args:
      steps: int64 [N], rising.
      values: float64 [N]; where a value is not finite the line has a gap.
      title: name of the metric.
      span: first and last step of the axis.
      lower_is_better: whether the least value is the best one.
      resumed: steps at which the run went on after an interruption.

    Returns:
      An `<svg>` element.

    Raises:
      InputError: no value is finite.
    """
    steps_drawn, drawn = _drawable(steps, values, title)
    finite = np.where(np.isfinite(values), values, np.nan)
    best = best_place(finite, lower_is_better=lower_is_better)
    assert best is not None  # _drawable has found a finite value
    chart = _Chart(np.append(drawn, values[best]), span=span, resumed=resumed)
    marks = [chart.path(steps_drawn, drawn, "curve")]
    marks += chart.points(steps, values)
    marks.append(chart.mark(int(steps[best]), float(values[best]), "best", radius=5))
    label = f"best {figures(values[best])} at step {steps[best]:,}"
    return chart.svg(marks, [("best", label)], title=title, summary=label)


def downsample(
    steps: Int64[np.ndarray, " N"],
    values: Float64[np.ndarray, " N"],
    *,
    most: int = MOST_POINTS,
) -> tuple[Float64[np.ndarray, " M"], Float64[np.ndarray, " M"]]:
    """Replaces neighbouring points by their means until few enough are left.

    Args:
      steps: int64 [N].
      values: float64 [N]; those that are not finite are left out of the means.
      most: number of points to keep, >= 1.

    Returns:
      float64 [M] mean steps and float64 [M] mean values, M = min(N, most); NaN where
      no value was finite. Groups differ by one point at most.
    """
    edges = np.linspace(0, len(steps), min(len(steps), most) + 1).astype(np.int64)
    starts, sizes = edges[:-1], np.diff(edges)
    finite = np.isfinite(values)
    sums = np.add.reduceat(np.where(finite, values, 0.0), starts)
    counts = np.add.reduceat(finite.astype(np.int64), starts)
    means = np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0)
    return np.add.reduceat(steps.astype(np.float64), starts) / sizes, means


def running_mean(
    values: Float[np.ndarray, " N"], window: int
) -> Float64[np.ndarray, " N"]:
    """Returns the mean of the values around each place.

    Args:
      values: float [N]; NaN is left out.
      window: number of values, >= 1; the middle one is the place itself (an even
        window reaches one further back). At both ends there are fewer.

    Returns:
      float64 [N]; NaN where `values` is NaN.
    """
    before, after = window // 2, (window - 1) // 2
    found = ~np.isnan(values)
    means = np.full(len(values), np.nan)
    for i in np.flatnonzero(found).tolist():
        near = slice(max(0, i - before), i + after + 1)
        means[i] = values[near][found[near]].mean()
    return means


def _drawable(
    steps: Int64[np.ndarray, " N"], values: Float64[np.ndarray, " N"], title: str
) -> tuple[Float64[np.ndarray, " M"], Float64[np.ndarray, " M"]]:
    if not np.isfinite(values).any():
        raise InputError(f"the curve '{title}' has no finite value to draw")
    return downsample(steps, values)


def _width(label: str) -> float:
    """Returns about how wide a label of an axis is; a minus is wider than a digit."""
    return _PX_PER_LETTER * len(label) + 3.5 * label.count("−")


class _Chart:
    """Axes that fit some values, and the marks placed by them."""

    def __init__(
        self,
        values: Float64[np.ndarray, " M"],
        *,
        span: tuple[int, int],
        resumed: Sequence[int],
    ):
        finite = values[np.isfinite(values)]
        low, high = float(finite.min()), float(finite.max())
        # An axis that is hardly longer from zero starts there.
        low = 0.0 if 0 < low < 0.4 * high else low
        self._ticks = round_ticks(low, high)
        if 0 <= low and high <= 1 < self._ticks[-1]:
            # Shares end at 1.
            self._ticks = round_ticks(min(low, 0.9), 1.0)
        self._labels = tick_labels(self._ticks)
        left = 8 + round(max(map(_width, self._labels)))
        self._frame = Frame(
            width=_WIDTH,
            height=_HEIGHT,
            left=left,
            right=_RIGHT,
            top=_TOP,
            bottom=_BOTTOM,
        )
        first, last = span
        self._span = (first, last) if first < last else (first - 1, first + 1)
        self._x = Scale(*self._span, left, _RIGHT)
        self._y = Scale(self._ticks[0], self._ticks[-1], _BOTTOM, _TOP)
        self._resumed = resumed

    def path(
        self,
        steps: Float64[np.ndarray, " M"],
        values: Float64[np.ndarray, " M"],
        style: str,
    ) -> str:
        """Returns a line through the finite values."""
        parts, pen_down = [], False
        for step, value in zip(steps.tolist(), values.tolist(), strict=True):
            if value != value:
                pen_down = False
                continue
            place = f"{self._x(step):.1f} {self._y(value):.1f}"
            # A line of no length shows a value that stands alone as a dot.
            parts.append(f"L{place}" if pen_down else f"M{place}h0")
            pen_down = True
        return f'<path class="{style}" d="{"".join(parts)}"/>'

    def points(
        self, steps: Int64[np.ndarray, " N"], values: Float64[np.ndarray, " N"]
    ) -> list[str]:
        """Returns a dot for each finite value, unless there are too many."""
        if len(steps) > _MOST_MARKS:
            return []
        return [
            self.mark(step, value, "point", radius=2.5)
            for step, value in zip(steps.tolist(), values.tolist(), strict=True)
            if np.isfinite(value)
        ]

    def mark(self, step: int, value: float, style: str, *, radius: Number) -> str:
        """Returns a circle that tells its value to those who point at it."""
        return (
            f'<circle class="{style}" cx="{self._x(step):.1f}" '
            f'cy="{self._y(value):.1f}" r="{radius}">'
            f"<title>step {step:,}: {figures(value)}</title></circle>"
        )

    def svg(
        self,
        marks: Sequence[str],
        legend: Sequence[tuple[str, str]],
        *,
        title: str,
        summary: str,
    ) -> Markup:
        """Returns the chart: grid, axes, marks and legend."""
        within = [s for s in self._resumed if self._span[0] <= s <= self._span[1]]
        interruptions = [
            line(self._x(step), _TOP, self._x(step), _BOTTOM, "resumed")
            for step in within
        ]
        if within:
            legend = [*legend, ("resumed", "resumed")]
        drawing = [
            *self._grid(),
            *interruptions,
            *marks,
            *self._step_axis(),
            *self._legend(legend),
        ]
        return svg(drawing, self._frame, title=title, summary=summary)

    def _grid(self) -> list[str]:
        left = self._frame.left
        marks = []
        for tick, label in zip(self._ticks, self._labels, strict=True):
            marks.append(line(left, self._y(tick), _RIGHT, self._y(tick), "grid"))
            marks.append(words(left - 6, self._y(tick) + 4, label, "end"))
        return marks

    def _step_axis(self) -> list[str]:
        left = self._frame.left
        low, high = self._span
        ticks = round_ticks(float(low), float(high), most=4)
        marks = [line(left, _BOTTOM, _RIGHT, _BOTTOM, "axis")]
        for tick in ticks:
            if low <= tick <= high and tick.is_integer():
                place = self._x(tick)
                marks.append(line(place, _BOTTOM, place, _BOTTOM + 4, "axis"))
                marks.append(words(place, _BOTTOM + 18, f"{tick:,.0f}", "middle"))
        marks.append(words((left + _RIGHT) / 2, _BOTTOM + 36, "step", "middle"))
        return marks

    def _legend(self, entries: Sequence[tuple[str, str]]) -> list[str]:
        # Entries follow each other from the left edge, above the drawing area.
        marks, left = [], float(self._frame.left)
        for style, label in entries:
            if style == "best":
                marks.append(f'<circle class="best" cx="{left + 8:.1f}" cy="9" r="5"/>')
            elif style == "resumed":
                marks.append(line(left + 8, 2, left + 8, 16, style))
            else:
                marks.append(line(left, 9, left + 16, 9, style))
            marks.append(words(left + 21, 13, label, "start"))
            left += 21 + _PX_PER_LETTER * len(label) + 14
        return marks
