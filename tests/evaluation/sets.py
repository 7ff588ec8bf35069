"""Tiny retrieval sets and rankers that the evaluation tests share."""

import numpy as np

from jaxsim.core.ranking import Ranking
from jaxsim.data.records import Record


def record(name: str, label: str | None = None, box=None) -> Record:
    return Record(name=name, content=lambda: b"", label=label, box=box)


def records(names: str) -> list[Record]:
    return [record(name) for name in names.split()]


def ranker(*orders: list[int]):
    """Ranks as listed, one list per query; -1 stands for a missing image."""

    def rank(rows):
        ids = np.array([orders[row] for row in rows], np.int64)
        scores = -np.tile(np.arange(ids.shape[1], dtype=np.float32), (len(ids), 1))
        return Ranking(ids, np.where(ids < 0, -np.inf, scores).astype(np.float32))

    return rank


def cosine_ranker(queries: np.ndarray, database: np.ndarray):
    """Ranks by inner product, ties by id."""

    def rank(rows):
        scores = queries[rows] @ database.T
        ids = np.tile(np.arange(len(database)), (len(rows), 1))
        return Ranking.from_scores(ids, scores)

    return rank
