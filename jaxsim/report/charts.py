"""Charts as SVG text: one pure function each.

Colours are CSS classes of the page (`bar`, `axis`, `grid`, …), so that a chart follows
its light or dark scheme. A new chart is a new function that returns `_svg(…)`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from markupsafe import Markup, escape

from jaxsim.core.errors import InputError
from jaxsim.report.text import printable

Number = float | int

# Drawing area in user units; at the width of a phone a unit is about a CSS pixel.
_WIDTH, _HEIGHT = 400, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 388, 30, 178


def histogram(
    values: Float[np.ndarray, " N"],
    *,
    title: str,
    x_label: str,
    y_label: str = "count",
    bins: int = 20,
    limits: tuple[Number, Number] = (0, 1),
) -> Markup:
    """Draws how often values fall into equal bins, with their mean and median.

    Args:
      values: float [N], within `limits`; NaN is left out. Bins are half open, the
        last one closed.
      title: what the chart shows, for those who cannot see it.
      x_label: name of the values.
      y_label: name of what is counted.
      bins: number of bins, >= 1.
      limits: lowest and highest value of the axis.

    Returns:
      An `<svg>` element.

    Raises:
      InputError: no value is a number, or one lies outside the limits.
    """
    values = values[~np.isnan(values)]
    low, high = limits
    if not len(values) or values.min() < low or values.max() > high:
        raise InputError(
            f"the histogram '{title}' needs one or more values from {low:g} to "
            f"{high:g}; got {len(values)} numbers: {values[:5]}…"
        )
    counts, edges = np.histogram(values, bins=bins, range=limits)
    counts, edges = counts.tolist(), edges.tolist()
    ticks = _count_ticks(max(counts))
    x = _Scale(low, high, _LEFT, _RIGHT)
    y = _Scale(0, ticks[-1], _BOTTOM, _TOP)
    mean, median = float(values.mean()), float(np.median(values))
    marks = [
        _y_axis(ticks, y, y_label),
        *(
            _bar(x(left), x(right), y(count), f"{left:.2f} to {right:.2f}: {count:,}")
            for count, left, right in zip(counts, edges[:-1], edges[1:], strict=True)
            if count
        ),
        _x_axis(np.linspace(low, high, 6).tolist(), x, x_label),
        _line(x(mean), _TOP - 4, x(mean), _BOTTOM, "mean"),
        _line(x(median), _TOP - 4, x(median), _BOTTOM, "median"),
        _legend([("mean", mean), ("median", median)]),
    ]
    summary = f"{len(values):,} values, mean {mean:.3f}, median {median:.3f}"
    return _svg(marks, title=title, summary=summary)


@dataclass(frozen=True)
class _Scale:
    """Maps the values from `low` to `high` of an axis to places in the drawing."""

    low: Number
    high: Number
    start: Number
    end: Number

    def __call__(self, value: Number) -> float:
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def _svg(marks: Sequence[str], *, title: str, summary: str) -> Markup:
    label = escape(printable(f"{title}: {summary}"))
    return Markup(
        f'<svg class="chart" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{label}">\n' + "\n".join(marks) + "\n</svg>"
    )


def _bar(left: Number, right: Number, top: Number, tip: str) -> str:
    gap = 0.75
    return (
        f'<rect class="bar" x="{left + gap:.2f}" y="{top:.2f}" '
        f'width="{max(right - left - 2 * gap, gap):.2f}" '
        f'height="{_BOTTOM - top:.2f}"><title>{tip}</title></rect>'
    )


def _x_axis(ticks: Sequence[Number], x: _Scale, label: str) -> str:
    middle = (_LEFT + _RIGHT) / 2
    return "".join(
        [_line(_LEFT, _BOTTOM, _RIGHT, _BOTTOM, "axis")]
        + [_text(x(t), _BOTTOM + 16, f"{t:.1f}", "middle") for t in ticks]
        + [_text(middle, _BOTTOM + 35, label, "middle")]
    )


def _y_axis(ticks: Sequence[Number], y: _Scale, label: str) -> str:
    return "".join(
        [_line(_LEFT, y(t), _RIGHT, y(t), "grid") for t in ticks]
        + [_text(_LEFT - 7, y(t) + 4, f"{t:,}", "end") for t in ticks]
        + [_text(0, 12, label, "start")]
    )


def _legend(entries: Sequence[tuple[str, float]]) -> str:
    # Entries grow to the left from the right edge, over the drawing area.
    parts, right = [], float(_RIGHT)
    for name, value in reversed(entries):
        label = f"{name} {value:.3f}"
        left = right - 7.2 * len(label)
        parts.append(_text(right, 12, label, "end"))
        parts.append(_line(left - 22, 8, left - 4, 8, name))
        right = left - 40
    return "".join(parts)


def _line(x0: Number, y0: Number, x1: Number, y1: Number, style: str) -> str:
    return (
        f'<line class="{style}" x1="{x0:.2f}" y1="{y0:.2f}" '
        f'x2="{x1:.2f}" y2="{y1:.2f}"/>'
    )


def _text(x: Number, y: Number, text: str, anchor: str) -> str:
    words = escape(printable(text))
    return f'<text x="{x:.2f}" y="{y:.2f}" text-anchor="{anchor}">{words}</text>'


def _count_ticks(highest: int) -> list[int]:
    """Returns at most six whole, round numbers from 0 to `highest` or just above."""
    step, factors = 1, (2, 2.5, 2)
    turn = 0
    while step * 5 < highest:
        step = int(step * factors[turn % 3])
        turn += 1
    return list(range(0, highest + step, step))
