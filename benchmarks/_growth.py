"""Draws how seconds and memory of several systems grow, as an SVG file."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from jaxsim.core.files import atomic_write


def draw(
    path: Path, sizes: Sequence[int], systems: Sequence[str], metrics: dict[str, float]
) -> None:
    """Draws seconds and memory against N, both axes logarithmic.

    Args:
      path: the file to write.
      sizes: N.
      systems: their names.
      metrics: epoch_s/SYSTEM_N and growth_mib/SYSTEM_N, where they were measured.
    """
    charts = [
        growth(x, f"{title} of an epoch", name, sizes, systems, metrics)
        for x, title, name in ((0, "seconds", "epoch_s"), (360, "MiB", "growth_mib"))
    ]
    body = "".join(charts)
    text = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 260" '
        'font-family="sans-serif" font-size="12"><rect width="720" height="260" '
        f'fill="white"/>{body}</svg>\n'
    )
    with atomic_write(path) as file:
        file.write(text.encode())


def growth(
    left: int,
    title: str,
    name: str,
    sizes: Sequence[int],
    systems: Sequence[str],
    metrics: dict[str, float],
) -> str:
    """One chart of both systems, at a place."""
    points = {
        system: [
            (rows, metrics[f"{name}/{system}_{rows}"])
            for rows in sizes
            if metrics.get(f"{name}/{system}_{rows}", 0) > 0
        ]
        for system in systems
    }
    values = [value for line in points.values() for _, value in line]
    low, high = np.log10(min(values)) - 0.1, np.log10(max(values)) + 0.1
    first, last = np.log10(min(sizes)), np.log10(max(sizes))

    def place(rows: int, value: float) -> tuple[float, float]:
        x = left + 60 + 260 * (np.log10(rows) - first) / max(last - first, 1e-9)
        return round(x, 1), round(220 - 180 * (np.log10(value) - low) / (high - low), 1)

    parts = [f'<text x="{left + 60}" y="20">{title}, by N; both logarithmic</text>']
    for system, colour in zip(systems, ("#0b62a4", "#b3541e"), strict=False):
        placed = [place(*point) for point in points[system]]
        line = " ".join(f"{x},{y}" for x, y in placed)
        parts.append(f'<polyline points="{line}" fill="none" stroke="{colour}"/>')
        for (x, y), (_, value) in zip(placed, points[system], strict=True):
            parts.append(f'<circle cx="{x}" cy="{y}" r="3" fill="{colour}"/>')
            label = f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
            parts.append(
                f'<text x="{x - 4}" y="{y - 6}" fill="{colour}" text-anchor="end">'
                f"{label}</text>"
            )
        if placed:
            x, y = placed[-1]
            parts.append(
                f'<text x="{x - 4}" y="{y + 16}" fill="{colour}" text-anchor="end">'
                f"{system}</text>"
            )
    for rows in sizes:
        x, _ = place(rows, 10**low)
        parts.append(f'<text x="{x}" y="240" text-anchor="middle">{rows:,}</text>')
    return "".join(parts)
