"""One row per index: how it is built, and what it promises of its answers."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from jaxsim.index.base import Index
from jaxsim.index.exact import ExactIndex
from tests.contracts.stored_indexes import through_the_disk


@dataclass(frozen=True, kw_only=True)
class IndexCase:
    """An index under test.

    Attributes:
      build: vectors [N, D] -> index.
      reload: vectors, folder -> the index after a way through the disk.
      recall: share of the exact neighbours that it must find.
    """

    build: Callable[[np.ndarray], Index]
    reload: Callable[..., Index]
    recall: float


INDEXES = {
    "exact": IndexCase(build=ExactIndex, reload=through_the_disk, recall=1.0),
    "exact, not on the device": IndexCase(
        build=lambda vectors: ExactIndex(vectors, on_device=False),
        reload=lambda vectors, path: through_the_disk(vectors, path, on_device=False),
        recall=1.0,
    ),
}
