"""One row per miner: how it is called, and what may change its choice."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import jax

from jaxsim.miners.all_triplets import all_triplets
from jaxsim.miners.batch_hard import batch_hard
from jaxsim.miners.distance_weighted import distance_weighted
from jaxsim.miners.rows import row_triplets
from jaxsim.miners.semi_hard import semi_hard
from jaxsim.miners.triplets import Triplets


@dataclass(frozen=True, kw_only=True)
class MinerCase:
    """A miner under test.

    Attributes:
      mine: labels [B], scores [B, B] -> triplets.
      size: B -> T.
      by_position: whether the order of the batch may change what is chosen.
    """

    mine: Callable[..., Triplets]
    size: Callable[[int], int]
    by_position: bool = False


MINERS = {
    "all": MinerCase(mine=all_triplets, size=lambda batch: batch**3),
    "batch hard": MinerCase(mine=batch_hard, size=lambda batch: batch),
    "semi-hard": MinerCase(mine=semi_hard, size=lambda batch: batch**2),
    "distance-weighted": MinerCase(
        mine=partial(distance_weighted, key=jax.random.key(0), dimension=4),
        size=lambda batch: batch**2,
        by_position=True,
    ),
    "rows": MinerCase(
        mine=row_triplets, size=lambda batch: batch // 3, by_position=True
    ),
}
