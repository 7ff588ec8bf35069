"""Recall and precision of one query near the top of its ranking.

Every function takes the rising 0-based ranks of the positives that were found, counted
after removing ignored images, and the number of positives that exist (>= 1).
"""

import math

import numpy as np
from jaxtyping import Int


def recall_at_k(
    positive_ranks: Int[np.ndarray, " P"], num_positives: int, *, k: int
) -> float:
    """Returns 1 if at least one positive is among the first k, else 0.

    Args:
      positive_ranks: int [P], rising 0-based ranks of the positives found.
      num_positives: positives that exist; not used, one being enough.
      k: length of the list looked at, >= 1.

    Source: Jégou et al. 2011; Oh Song et al. 2016 ("Recall@K" of metric learning).
    """
    del num_positives
    return float(len(positive_ranks) > 0 and positive_ranks[0] < k)


def precision_at_k(
    positive_ranks: Int[np.ndarray, " P"], num_positives: int, *, k: int
) -> float:
    """Returns the fraction of the first k that are positives, a short list included.

    Args:
      positive_ranks: int [P], rising 0-based ranks of the positives found.
      num_positives: positives that exist; not used: the divisor is always k.
      k: length of the list looked at, >= 1.
    """
    del num_positives
    return int(np.searchsorted(positive_ranks, k)) / k


def revisited_precision_at_k(
    positive_ranks: Int[np.ndarray, " P"], num_positives: int, *, k: int
) -> float:
    """Returns the precision at k' = min(k, 1-based rank of the last positive).

    A query with fewer than k positives can so reach 1. A positive that was not found
    ranks behind everything, which makes k' = k.

    Args:
      positive_ranks: int [P], rising 0-based ranks of the positives found.
      num_positives: positives that exist, >= P.
      k: length of the list looked at, >= 1.

    Source: Radenović et al. 2018 (revisited Oxford and Paris), mP@k.

    >>> revisited_precision_at_k(np.array([0, 2]), 2, k=10)
    0.6666666666666666
    """
    all_found = len(positive_ranks) == num_positives
    last = positive_ranks[-1] + 1 if all_found else math.inf
    shown = int(min(k, last))
    return precision_at_k(positive_ranks, num_positives, k=shown)


def r_precision(positive_ranks: Int[np.ndarray, " P"], num_positives: int) -> float:
    """Returns the fraction of the first R that are positives, R = how many exist.

    Args:
      positive_ranks: int [P], rising 0-based ranks of the positives found.
      num_positives: R, >= 1.

    Source: Manning, Raghavan & Schütze 2008, section 8.4.

    >>> r_precision(np.array([0, 2, 3]), 4)
    0.75
    """
    return precision_at_k(positive_ranks, num_positives, k=num_positives)


def map_at_r(positive_ranks: Int[np.ndarray, " P"], num_positives: int) -> float:
    """Returns the finite-sum average precision of the first R, R = how many exist.

    Args:
      positive_ranks: int [P], rising 0-based ranks of the positives found.
      num_positives: R, >= 1.

    Source: Musgrave, Belongie & Lim 2020, eq. 5-6.

    >>> round(map_at_r(np.array([0, 2, 3]), 4), 6)
    0.604167
    """
    ranks = np.asarray(positive_ranks)
    ranks = ranks[ranks < num_positives]
    return float((np.arange(1, len(ranks) + 1) / (ranks + 1)).sum()) / num_positives
