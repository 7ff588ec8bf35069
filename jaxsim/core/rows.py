"""Rows of arrays: cut into shares, and filled up to a length."""

import numpy as np


def share(number: int, shares: int, rows: int) -> range:
    """Returns the rows of one of so many shares, as even as can be.

    >>> [share(number, 3, 10) for number in range(3)]
    [range(0, 3), range(3, 6), range(6, 10)]
    """
    return range(number * rows // shares, (number + 1) * rows // shares)


def filled(rows: np.ndarray, count: int) -> np.ndarray:
    """Returns `count` rows, zeros after those given; what is full is not copied.

    Args:
      rows: [n, …], n <= count.
    """
    if len(rows) == count:
        return rows
    return np.pad(rows, [(0, count - len(rows))] + [(0, 0)] * (rows.ndim - 1))
