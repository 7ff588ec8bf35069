"""How often values occur, as a bar chart."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from markupsafe import Markup

from jaxsim.core.errors import InputError
from jaxsim.report.drawing import Frame, Number, Scale, line, svg, words

# At the width of a phone a unit is about a CSS pixel.
_FRAME = Frame(width=400, height=220, left=44, right=388, top=30, bottom=178)


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
    x = Scale(low, high, _FRAME.left, _FRAME.right)
    y = Scale(0, ticks[-1], _FRAME.bottom, _FRAME.top)
    mean, median = float(values.mean()), float(np.median(values))
    marks = [
        _y_axis(ticks, y, y_label),
        *(
            _bar(x(left), x(right), y(count), f"{left:.2f} to {right:.2f}: {count:,}")
            for count, left, right in zip(counts, edges[:-1], edges[1:], strict=True)
            if count
        ),
        _x_axis(np.linspace(low, high, 6).tolist(), x, x_label),
        line(x(mean), _FRAME.top - 4, x(mean), _FRAME.bottom, "mean"),
        line(x(median), _FRAME.top - 4, x(median), _FRAME.bottom, "median"),
        _legend([("mean", mean), ("median", median)]),
    ]
    summary = f"{len(values):,} values, mean {mean:.3f}, median {median:.3f}"
    return svg(marks, _FRAME, title=title, summary=summary)


def _bar(left: Number, right: Number, top: Number, tip: str) -> str:
    gap = 0.75
    return (
        f'<rect class="bar" x="{left + gap:.2f}" y="{top:.2f}" '
        f'width="{max(right - left - 2 * gap, gap):.2f}" '
        f'height="{_FRAME.bottom - top:.2f}"><title>{tip}</title></rect>'
    )


def _x_axis(ticks: Sequence[Number], x: Scale, label: str) -> str:
    middle = (_FRAME.left + _FRAME.right) / 2
    return "".join(
        [line(_FRAME.left, _FRAME.bottom, _FRAME.right, _FRAME.bottom, "axis")]
        + [words(x(t), _FRAME.bottom + 16, f"{t:.1f}", "middle") for t in ticks]
        + [words(middle, _FRAME.bottom + 35, label, "middle")]
    )


def _y_axis(ticks: Sequence[Number], y: Scale, label: str) -> str:
    return "".join(
        [line(_FRAME.left, y(t), _FRAME.right, y(t), "grid") for t in ticks]
        + [words(_FRAME.left - 7, y(t) + 4, f"{t:,}", "end") for t in ticks]
        + [words(0, 12, label, "start")]
    )


def _legend(entries: Sequence[tuple[str, float]]) -> str:
    # Entries grow to the left from the right edge, over the drawing area.
    parts, right = [], float(_FRAME.right)
    for name, value in reversed(entries):
        label = f"{name} {value:.3f}"
        left = right - 7.2 * len(label)
        parts.append(words(right, 12, label, "end"))
        parts.append(line(left - 22, 8, left - 4, 8, name))
        right = left - 40
    return "".join(parts)


def _count_ticks(highest: int) -> list[int]:
    """Returns at most six whole, round numbers from 0 to `highest` or just above."""
    step, factors = 1, (2, 2.5, 2)
    turn = 0
    while step * 5 < highest:
        step = int(step * factors[turn % 3])
        turn += 1
    return list(range(0, highest + step, step))
