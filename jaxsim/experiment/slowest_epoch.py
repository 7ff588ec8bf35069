"""Which epoch of training on a graph to keep, told by the loss alone.

Guided similarity separation goes through two phases. At first the similarities that are
neither high nor low are settled: the loss falls, ever more slowly. Then clusters that
are close to each other begin to merge; the closer they come, the more pairs attract,
and the loss falls ever faster, while neighbours of other objects come in. Between the
two the loss falls slowest, and there training should end. No label is needed to see it.
"""

import math
from collections.abc import Sequence

LOSS = "loss"
RISES = 2
"""So many intervals of a faster fall end the first phase for good."""


def descent(losses: Sequence[tuple[int, float]]) -> float:
    """Returns the slope of the loss before the last epoch; greater is better.

    After the end of the first phase it is -inf: later the loss may fall slowly again,
    since it is bounded. A loss that rises does not fall slowly: then it is -inf, too.

    Args:
      losses: (epoch, loss), by rising epoch, from the untrained network on; at least 2.

    >>> descent([(0, 0.0), (10, -0.4), (20, -0.6)])
    -0.02
    """
    slopes = [
        (new - old) / (after - before)
        for (before, old), (after, new) in zip(losses, losses[1:], strict=False)
    ]
    falls = 0
    for before, after in zip(slopes, slopes[1:], strict=False):
        falls = falls + 1 if after < before else 0
        if falls >= RISES:
            return -math.inf
    return -math.inf if slopes[-1] > 0 else round(slopes[-1], 12)
