"""A learned score against the cosine, for pairs that match and pairs that do not."""

import numpy as np
from markupsafe import Markup

from jaxsim.pipeline.pair_scores import PairScores
from jaxsim.report.drawing import (
    Frame,
    Scale,
    line,
    round_ticks,
    svg,
    tick_labels,
    words,
)

MATCHING, OTHER = "label-0", "label-1"
"""CSS classes of the two kinds of pairs; their shapes differ too."""

_FRAME = Frame(width=480, height=380, left=52, right=468, top=30, bottom=328)


def pair_chart(pairs: PairScores, *, title: str) -> Markup:
    """Draws a mark for each pair; the line is where the score is the cosine.

    Pairs that match should lie above the line, others below it.

    Args:
      pairs: at least one.
      title: what the chart shows, for those who cannot see it.

    Returns:
      An `<svg>` element.
    """
    across, up = _ticks(pairs.cosines), _ticks(pairs.scores)
    x = Scale(across[0], across[-1], _FRAME.left, _FRAME.right)
    y = Scale(up[0], up[-1], _FRAME.bottom, _FRAME.top)
    middle = (_FRAME.left + _FRAME.right) / 2
    marks = [
        *(line(_FRAME.left, y(t), _FRAME.right, y(t), "grid") for t in up),
        *(
            words(_FRAME.left - 7, y(t) + 4, label, "end")
            for t, label in zip(up, tick_labels(up), strict=True)
        ),
        line(_FRAME.left, _FRAME.bottom, _FRAME.right, _FRAME.bottom, "axis"),
        *(
            words(x(t), _FRAME.bottom + 16, label, "middle")
            for t, label in zip(across, tick_labels(across), strict=True)
        ),
        words(middle, _FRAME.bottom + 38, "cosine", "middle"),
        words(0, 12, "learned score", "start"),
        _identity(x, y),
        _marks(pairs, ~pairs.matching, OTHER, x, y),
        _marks(pairs, pairs.matching, MATCHING, x, y),
    ]
    matching = int(pairs.matching.sum())
    summary = f"{matching:,} pairs that match and {len(pairs.scores) - matching:,} not"
    return svg(marks, _FRAME, title=title, summary=summary)


def better(pairs: PairScores) -> tuple[float, float]:
    """Returns the fractions scored better than by the cosine: matching, and others."""
    above = pairs.scores > pairs.cosines
    kinds = above[pairs.matching], ~above[~pairs.matching]
    matching, other = (float(kind.mean()) if len(kind) else np.nan for kind in kinds)
    return matching, other


def mark(style: str) -> Markup:
    """Returns a small picture of a kind of pairs, for a legend."""
    return Markup(
        f'<svg class="sample" viewBox="0 0 12 12" aria-hidden="true">'
        f'<g class="{style}">{_dot(style, 6.0, 6.0, 4.0)}</g></svg>'
    )


def _ticks(values: np.ndarray) -> list[float]:
    return round_ticks(float(values.min()), float(values.max()))


def _identity(x: Scale, y: Scale) -> str:
    """Returns the part inside the chart of the line on which both are equal."""
    low, high = max(x.low, y.low), min(x.high, y.high)
    if low >= high:
        return ""
    return line(x(low), y(low), x(high), y(high), "axis")


def _marks(
    pairs: PairScores, chosen: np.ndarray, style: str, x: Scale, y: Scale
) -> str:
    dots = "".join(
        _dot(style, x(cosine), y(score), 2.2)
        for cosine, score in zip(
            pairs.cosines[chosen].tolist(), pairs.scores[chosen].tolist(), strict=True
        )
    )
    return f'<g class="{style}" opacity="0.7">{dots}</g>' if dots else ""


def _dot(style: str, x: float, y: float, radius: float) -> str:
    if style == MATCHING:
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}"/>'
    side = 1.8 * radius
    return f'<path d="M{x - side / 2:.1f} {y - side / 2:.1f}h{side}v{side}h-{side}z"/>'
