"""Pieces of SVG charts: the frame, its scales, ticks, lines and words.

Colours are CSS classes of the page (`bar`, `axis`, `grid`, …), so that a chart follows
its light or dark scheme.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from jaxsim.report.text import printable

Number = float | int


@dataclass(frozen=True, kw_only=True)
class Frame:
    """The size of a drawing and the rectangle in it where values are drawn.

    User units; drawn at its natural size a unit is a CSS pixel.
    """

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int


@dataclass(frozen=True)
class Scale:
    """Maps the values from `low` to `high`, low < high, to places in the drawing."""

    low: Number
    high: Number
    start: Number
    end: Number

    def __call__(self, value: Number) -> float:
        """Returns the place of a value."""
        share = (value - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)


def svg(marks: Sequence[str], frame: Frame, *, title: str, summary: str) -> Markup:
    """Returns an `<svg>` element.

    Args:
      marks: its content, already escaped.
      frame: its size.
      title: what it shows, for those who cannot see it; escaped here.
      summary: its content in a few words; escaped here.
    """
    label = escape(printable(f"{title}: {summary}"))
    return Markup(
        f'<svg class="chart" viewBox="0 0 {frame.width} {frame.height}" role="img" '
        f'aria-label="{label}">\n' + "\n".join(marks) + "\n</svg>"
    )


def line(x0: Number, y0: Number, x1: Number, y1: Number, style: str) -> str:
    """Returns a straight line of a CSS class."""
    return (
        f'<line class="{style}" x1="{x0:.2f}" y1="{y0:.2f}" '
        f'x2="{x1:.2f}" y2="{y1:.2f}"/>'
    )


def words(x: Number, y: Number, text: str, anchor: str) -> str:
    """Returns a line of text, escaped, with its baseline at y.

    Args:
      x: place of the anchor.
      y: place of the baseline.
      text: what to write.
      anchor: "start", "middle" or "end" of the text.
    """
    safe = escape(printable(text))
    return f'<text x="{x:.2f}" y="{y:.2f}" text-anchor="{anchor}">{safe}</text>'


def round_ticks(low: float, high: float, *, most: int = 5) -> list[float]:
    """Returns round numbers at equal steps that enclose a range.

    The step is 1, 2 or 5 times a power of ten. A range of one value is widened first.

    Args:
      low: least value, finite.
      high: greatest value, finite, >= low.
      most: how many steps the range may take, >= 2.

    >>> round_ticks(0.13, 0.87)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    if high - low <= 1e-6 * max(abs(low), abs(high)):
        low, high = (min(low * 0.5, low * 1.5), max(low * 0.5, low * 1.5) or 1.0)
    power = math.floor(math.log10((high - low) / most))
    unit, first, last = 0.0, 0, 0
    for unit in (1, 2, 5, 10, 20):
        step = unit * 10.0**power
        first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
        if last - first <= most:
            break
    # Rounded, because three times 0.1 is not 0.3.
    digits = max(0, -power)
    return [round(i * unit * 10.0**power, digits) for i in range(first, last + 1)]


def tick_labels(ticks: Sequence[float]) -> list[str]:
    """Returns equally precise, short names of rising ticks at equal steps.

    >>> tick_labels([0.0, 0.5, 1.0]), tick_labels([0, 2e-05, 4e-05])
    (['0.0', '0.5', '1.0'], ['0', '2e−5', '4e−5'])
    """
    largest = max(abs(t) for t in ticks)
    step = min((b - a for a, b in zip(ticks, ticks[1:], strict=False)), default=largest)
    if largest >= 1e6 or 0 < largest < 1e-3:
        # Digits after the point that tell a tick from the next one.
        return [_power(t, step) for t in ticks]
    digits = max(0, -math.floor(math.log10(step) + 1e-9)) if step else 0
    return [f"{t:z,.{digits}f}".replace("-", "−") for t in ticks]


def _power(value: float, step: float) -> str:
    if not value:
        return "0"
    magnitude = math.floor(math.log10(abs(value)) + 1e-9)
    digits = max(0, magnitude - math.floor(math.log10(step) + 1e-9))
    mantissa, exponent = f"{value:.{digits}e}".split("e")
    return f"{mantissa}e{int(exponent)}".replace("-", "−")
