"""Answers queries from an index."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import MISSING_ID, Ranking
from jaxsim.data.records import Record
from jaxsim.data.rejects import Reject
from jaxsim.data.sources import open_source
from jaxsim.index.base import Index, check_k
from jaxsim.index.storage import IndexStore
from jaxsim.pipeline.embed import Embedder
from jaxsim.rerank.base import Gallery
from jaxsim.rerank.chain import Chain, Stage


@dataclass(frozen=True)
class SearchEngine:
    """An index with the model that made it.

    Attributes:
      store: the index on disk.
      embedder: applies the index's own model to queries.
      probes: how many lists a search looks into; None leaves it to the index.

    Raises:
      IndexFormatError: the model is not the one that made the index.
    """

    store: IndexStore
    embedder: Embedder
    probes: int | None = None

    def __post_init__(self):
        self.store.check_fingerprint(self.embedder.model.fingerprint)

    @cached_property
    def _index(self) -> Index:
        return self.store.index(probes=self.probes)

    def search(
        self, queries: Sequence[Record], k: int, stages: Sequence[Stage] = ()
    ) -> tuple[Ranking, tuple[Reject, ...]]:
        """Returns the k most similar images of each query.

        Args:
          queries: images.
          k: results per query, at most as many as there are images.
          stages: make the rankings better.

        Returns:
          A ranking whose ids are the index's row numbers; and the queries that cannot
          be used, whose results are all missing.
        """
        check_k(k)
        if not len(self.store):
            raise InputError(
                f"{self.store.path} has no images yet; finish it with "
                f"'jaxsim index PHOTOS --out {self.store.path}'"
            )
        k = min(k, len(self.store))
        embedding = self.embedder.embed(queries)
        ids = np.full((len(queries), k), MISSING_ID, np.int64)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        found = np.flatnonzero(embedding.found)
        if len(found):
            answer = self._ranked(embedding.vectors[found], found, k, stages)
            ids[found], scores[found] = answer.ids, answer.scores
        return Ranking(ids, scores), embedding.rejects

    @cached_property
    def _gallery(self) -> Gallery:
        """All stored vectors in one piece, for stages that ask again."""
        parts = self.store.vectors
        # One piece stays in its file.
        vectors = parts[0] if len(parts) == 1 else np.concatenate(parts)
        live = np.zeros(len(vectors), bool)
        live[self.store.live_ids] = True
        return Gallery(vectors, live)

    @cached_property
    def _chains(self) -> dict[tuple[Stage, ...], Chain]:
        return {}

    def _chain(self, stages: tuple[Stage, ...]) -> Chain:
        """Prepares stages once, however often they are asked for."""
        if stages not in self._chains:
            self._chains.clear()  # One prepared gallery is as large as the collection.
            self._chains[stages] = Chain(self._gallery, stages)
        return self._chains[stages]

    def _ranked(
        self, queries: np.ndarray, rows: np.ndarray, k: int, stages: Sequence[Stage]
    ) -> Ranking:
        if not stages:
            return self._index.search(queries, k)
        depth = max(k, *(stage.rerank.reach for stage in stages))
        chain = self._chain(tuple(stages))
        first = self._index.search(queries, min(depth, len(self.store)))
        last = chain.rankings(queries, rows, first)[-1]
        return Ranking(last.ids[:, :k], last.scores[:, :k])

    @cached_property
    def images(self) -> list[Record]:
        """The images of all stored rows; reading one fails if it is gone since."""
        return stored_images(self.store)


def stored_images(store: IndexStore) -> list[Record]:
    """Returns the images of all rows of an index, deleted ones included.

    They are where they were when they were indexed, and need not be there any more.
    """
    source = str(store.manifest.info["source"])
    root = Path(source)
    known: dict[str, Record] = {}
    if source.startswith("tfds:") or root.is_file():
        known = {record.name: record for record in open_source(source)[0]}
    return [
        known.get(
            row.name,
            Record(name=row.name, content=root / row.name, label=row.label),
        )
        for row in store.rows
    ]
