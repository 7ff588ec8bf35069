"""Stages of re-ranking, one after the other, each timed."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, is_dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Float32, Int64
from scipy import sparse

from jaxsim.core.ranking import Ranking
from jaxsim.rerank.base import Asked, Gallery, Reranker


@dataclass(frozen=True)
class Stage:
    """A re-ranker by the name it was asked for, such as "qe:10"."""

    name: str
    rerank: Reranker


@dataclass
class Chain:
    """Stages prepared for one gallery.

    Attributes:
      gallery: that the first ranking is of.
      stages: applied in order.
      seconds: spent by each stage, by name; preparing is "NAME prepare".
    """

    gallery: Gallery
    stages: Sequence[Stage]
    seconds: dict[str, float] = field(default_factory=dict)

    def __post_init__(self):
        self._galleries: list[Gallery] = []
        gallery = self.gallery
        for stage in self.stages:
            started = time.perf_counter()
            gallery = stage.rerank.prepare(gallery)
            self._spend(f"{stage.name} prepare", started)
            self._galleries.append(gallery)

    def rankings(
        self,
        queries: Float32[np.ndarray, "Q D"],
        rows: Int64[np.ndarray, " Q"],
        ranking: Ranking,
    ) -> list[Ranking]:
        """Returns the ranking after each stage.

        Args:
          queries: float32 [Q, D], unit length.
          rows: int64 [Q], which queries these are.
          ranking: of the gallery, [Q, K].
        """
        asked, found = Asked(queries, rows), []
        for stage, gallery in zip(self.stages, self._galleries, strict=True):
            started = time.perf_counter()
            asked, ranking = stage.rerank(asked, ranking, gallery)
            self._spend(stage.name, started)
            found.append(ranking)
        return found

    @property
    def descriptors(self) -> Float32[np.ndarray, "N D"] | None:
        """What the last stage makes of descriptors; None if it ranks by those given."""
        before, *_, last = [self.gallery, self.gallery, *self._galleries][-2:]
        return None if last.vectors is before.vectors else last.vectors

    def milliseconds(self, queries: int) -> dict[str, float]:
        """Returns the time of each stage: a query's, and that of preparing, in all."""
        return {
            f"{name}_ms": round(seconds * 1000, 1)
            if name.endswith("prepare")
            else round(seconds * 1000 / queries, 3)
            for name, seconds in self.seconds.items()
        }

    def memory_bytes(self) -> int:
        """Returns the bytes of arrays that all stages keep, beyond the gallery's.

        What a stage holds itself counts, such as the parameters of a network; and so
        does what it has computed and keeps, after the first query.
        """
        known = {id(leaf) for leaf in _arrays(self.gallery)}
        holders = [*self._galleries, *(stage.rerank for stage in self.stages)]
        kept = {id(leaf): leaf.nbytes for holder in holders for leaf in _arrays(holder)}
        return sum(size for key, size in kept.items() if key not in known)

    def _spend(self, name: str, started: float) -> None:
        seconds = time.perf_counter() - started
        self.seconds[name] = self.seconds.get(name, 0.0) + seconds


def _arrays(holder: Any) -> Iterator[np.ndarray | jax.Array]:
    """Yields the arrays that an object holds, cached properties among them."""
    if isinstance(holder, np.ndarray | jax.Array):
        yield holder
    elif sparse.issparse(holder):
        yield from (holder.data, holder.indices, holder.indptr)
    elif isinstance(holder, tuple | list):
        for part in holder:
            yield from _arrays(part)
    elif isinstance(holder, dict):
        yield from _arrays(list(holder.values()))
    elif is_dataclass(holder) and not isinstance(holder, type):
        # Not only the fields: what a cached property has found lies beside them.
        yield from _arrays(vars(holder))
