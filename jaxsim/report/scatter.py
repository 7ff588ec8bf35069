"""Points of a plane coloured by label, as a chart with its legend."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32
from markupsafe import Markup, escape

from jaxsim.report.drawing import Frame, Scale, svg
from jaxsim.report.text import printable

NUM_COLOURS = 12
"""The page's style has this many classes `label-0`, `label-1`, …, and `label-rest`."""

REST = "label-rest"

_FRAME = Frame(width=480, height=420, left=12, right=468, top=12, bottom=408)
_SHAPES = ("circle", "square", "triangle")
_MANY_POINTS = 800


@dataclass(frozen=True, kw_only=True)
class LegendEntry:
    """What a colour and shape stand for.

    Attributes:
      label: of the images, or in words "37 other labels".
      count: how many points have it.
      mark: a small `<svg>` of the shape.
    """

    label: str
    count: int
    mark: Markup


@dataclass(frozen=True, kw_only=True)
class Legend:
    """Which CSS class shows which label.

    Attributes:
      entries: the most frequent labels first, the rest last.
      classes: CSS class by label; what is missing belongs to the rest.
    """

    entries: list[LegendEntry]
    classes: dict[str, str]


def legend(labels: Sequence[str]) -> Legend:
    """Gives the most frequent labels a colour and a shape each.

    Equally frequent labels are taken in order of appearance.

    Args:
      labels: of all points, "" if unknown.
    """
    counts = Counter(label for label in labels if label)
    named = counts.most_common(NUM_COLOURS)
    classes = {label: f"label-{i}" for i, (label, _) in enumerate(named)}
    entries = [
        LegendEntry(label=label, count=count, mark=_sample(classes[label]))
        for label, count in named
    ]
    rest = len(labels) - sum(count for _, count in named)
    if rest:
        others = len(counts) - len(named)
        words = f"{others:,} other labels" if others > 1 else "another label"
        text = words if others else "no label"
        entries.append(LegendEntry(label=text, count=rest, mark=_sample(REST)))
    return Legend(entries=entries, classes=classes)


def scatter(
    points: Float32[np.ndarray, "N 2"],
    labels: Sequence[str],
    names: Sequence[str],
    *,
    classes: dict[str, str],
    title: str,
) -> Markup:
    """Draws labelled points; both axes have one scale, and no unit.

    Args:
      points: float32 [N, 2], finite, N >= 1; the second coordinate rises upwards.
      labels: of the points.
      names: of the points, shown to those who point at them.
      classes: CSS class by label, of a `Legend`.
      title: what the chart shows.

    Returns:
      An `<svg>` element.
    """
    x, y = _scales(points)
    radius = 2.4 if len(points) > _MANY_POINTS else 3.4
    groups: dict[str, list[str]] = {REST: []}
    for (right, up), label, name in zip(points.tolist(), labels, names, strict=True):
        style = classes.get(label, REST)
        tip = f"{name} ({label})" if label else name
        mark = _mark(style, x(right), y(up), radius, tip)
        groups.setdefault(style, []).append(mark)
    # Grey points lie under the coloured ones.
    marks = [
        _border(),
        *(
            f'<g class="{style}">{"".join(group)}</g>'
            for style, group in groups.items()
            if group
        ),
    ]
    summary = f"{len(points):,} images of {len(set(labels) - {''}):,} labels"
    return svg(marks, _FRAME, title=title, summary=summary)


def _scales(points: Float32[np.ndarray, "N 2"]) -> tuple[Scale, Scale]:
    low, high = points.min(axis=0).astype(float), points.max(axis=0).astype(float)
    middle, (wide, tall) = (low + high) / 2, high - low
    margin = 8
    room_x = _FRAME.right - _FRAME.left - 2 * margin
    room_y = _FRAME.bottom - _FRAME.top - 2 * margin
    unit = max(wide / room_x, tall / room_y) or 1.0
    half_x, half_y = unit * room_x / 2, unit * room_y / 2
    return (
        Scale(
            middle[0] - half_x,
            middle[0] + half_x,
            _FRAME.left + margin,
            _FRAME.right - margin,
        ),
        Scale(
            middle[1] - half_y,
            middle[1] + half_y,
            _FRAME.bottom - margin,
            _FRAME.top + margin,
        ),
    )


def _border() -> str:
    return (
        f'<rect class="border" x="{_FRAME.left}" y="{_FRAME.top}" '
        f'width="{_FRAME.right - _FRAME.left}" '
        f'height="{_FRAME.bottom - _FRAME.top}" rx="4"/>'
    )


def _sample(style: str) -> Markup:
    return Markup(
        f'<svg class="sample" viewBox="0 0 12 12" aria-hidden="true">'
        f'<g class="{style}">{_mark(style, 6.0, 6.0, 4.4)}</g></svg>'
    )


def _mark(style: str, x: float, y: float, radius: float, tip: str = "") -> str:
    """Returns a dot; shapes differ too, for those who see few colours."""
    title = f"<title>{escape(printable(tip))}</title>" if tip else ""
    number = style.removeprefix("label-")
    shape = _SHAPES[int(number) % 3] if number.isdecimal() else "circle"
    if shape == "circle":
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}">{title}</circle>'
    if shape == "square":
        # Equal areas look equally large.
        half = 0.89 * radius
        steps = f"M{x - half:.1f} {y - half:.1f}h{2 * half:.1f}v{2 * half:.1f}"
        return f'<path d="{steps}h{-2 * half:.1f}z">{title}</path>'
    side = 2.5 * radius
    steps = f"M{x:.1f} {y - 0.6 * side:.1f}l{side / 2:.1f} {side:.1f}"
    return f'<path d="{steps}h{-side:.1f}z">{title}</path>'
