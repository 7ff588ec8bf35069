"""Geometric medians: points of least summed distance to others."""

import numpy as np
from jaxtyping import Float64, Int


def geometric_medians(
    points: Float64[np.ndarray, "M D"],
    group: Int[np.ndarray, " M"],
    *,
    groups: int,
    tolerance: float = 1e-3,
    most_steps: int = 100,
) -> Float64[np.ndarray, "G D"]:
    """Returns of each group of points the point of least summed distance to them.

    Of two points it is the middle, although all between are as near; so it is of other
    even numbers of points on a line, if their mean lies between the middle two.

    Args:
      points: float64 [M, D], finite.
      group: int [M], of each point, 0 <= group < `groups`.
      groups: how many there are; each needs a point.
      tolerance: it ends when no median moves as far as this in a step, > 0.
      most_steps: it ends after so many at last.

    Returns:
      float64 [G, D].

    Source: Weiszfeld 1937, started from the mean; where it meets a point, Vardi and
    Zhang 2000, equation 2.6.
    """
    order = np.argsort(group, kind="stable")
    points, group = points[order], group[order]
    start = np.searchsorted(group, np.arange(groups))

    def total(values):
        return np.add.reduceat(values, start, axis=0)

    ones = np.ones((len(points), 1))
    median = total(points) / total(ones)
    for _ in range(most_steps):
        apart = points - median[group]
        distance = np.sqrt(np.square(apart).sum(axis=1, keepdims=True))
        met = distance <= 1e-9 * tolerance
        weight = np.where(met, 0, 1 / np.where(met, 1, distance))
        summed = total(weight)
        step = total(weight * apart)
        pull = np.sqrt(np.square(step).sum(axis=1, keepdims=True))
        # Points that the median lies on hold it back, each with force 1.
        held = np.minimum(total(met * ones) / np.where(pull > 0, pull, 1), 1)
        step = (1 - held) * step / np.where(summed > 0, summed, 1)
        median = median + step
        if np.abs(step).max(initial=0) < tolerance:
            break
    return median
