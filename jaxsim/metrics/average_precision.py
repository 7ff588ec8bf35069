"""Average precision of one query, under the two rules in use."""

import numpy as np
from jaxtyping import Int


def average_precision_trapezoid(
    positive_ranks: Int[np.ndarray, " P"], num_positives: int
) -> float:
    """Returns the area under the precision-recall curve by the trapezoid rule.

    Each step of recall counts the mean of the precision just before and just after
    the positive; before the first image the precision is 1.

    Args:
      positive_ranks: int [P], rising 0-based ranks of the positives that were found,
        counted after removing ignored images.
      num_positives: how many positives exist, >= P and >= 1; those not found add 0.

    Returns:
      A fraction.

    Source: Philbin et al. 2007 (Oxford Buildings); Radenović et al. 2018.

    >>> round(average_precision_trapezoid(np.array([0, 3, 4]), 4), 6)
    0.491667
    """
    ranks = np.asarray(positive_ranks)
    found = np.arange(len(ranks))
    before = np.where(ranks == 0, 1.0, found / np.maximum(ranks, 1))
    after = (found + 1) / (ranks + 1)
    return float((before + after).sum()) / (2 * num_positives)


def average_precision_finite(
    positive_ranks: Int[np.ndarray, " P"], num_positives: int
) -> float:
    """Returns the mean over all positives of the precision at their rank.

    With a single positive this is 1 / its 1-based rank.

    Args:
      positive_ranks: int [P], rising 0-based ranks of the positives that were found,
        counted after removing ignored images.
      num_positives: how many positives exist, >= P and >= 1; those not found add 0.

    Returns:
      A fraction.

    Source: Manning, Raghavan & Schütze 2008, eq. 8.8.

    >>> average_precision_finite(np.array([0, 3, 4]), 4)
    0.525
    """
    ranks = np.asarray(positive_ranks)
    return float((np.arange(1, len(ranks) + 1) / (ranks + 1)).sum()) / num_positives
