"""Applies a protocol to the rankings of a retrieval set, block by block."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int8, Int64

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import MISSING_ID, Ranking
from jaxsim.data.records import RetrievalSet
from jaxsim.evaluation.protocols.base import (
    Judge,
    Judgement,
    Measure,
    Protocol,
    queries_of,
)
from jaxsim.evaluation.result import SetResult

Rank = Callable[[Int64[np.ndarray, " b"]], Ranking]
RankInStages = Callable[[Int64[np.ndarray, " b"]], Sequence[Ranking]]


def evaluate_set(
    data: RetrievalSet,
    protocol: Protocol,
    rank: Rank,
    *,
    block: int = 256,
    keep: int = 20,
    progress: Callable[[int], None] | None = None,
) -> SetResult:
    """Judges complete rankings of every query and averages the metrics.

    Means are over the queries that have at least one positive under the judge. An
    image without a descriptor is never found: as a positive it adds 0 to its queries,
    as a query it counts 0 in every metric.

    Args:
      data: the queries and the database.
      protocol: which images are right and what is measured.
      rank: from rows of the queries to their rankings of the whole database (K = N);
        rows of -1 at the end stand for images without a descriptor, and a row of -1
        only for a query without one.
      block: queries ranked at a time; memory grows with block x N.
      keep: results kept per query, for reports.
      progress: called with the number of queries done since the last call.

    Returns:
      The metrics and, for each query, its average precision and first results.

    Raises:
      InputError: no query has a right image in the database, ids are out of range, or
        the rankings are not complete.
    """
    return evaluate_stages(
        data,
        protocol,
        lambda rows: [rank(rows)],
        stages=1,
        block=block,
        keep=keep,
        progress=progress,
    )[0]


def evaluate_stages(
    data: RetrievalSet,
    protocol: Protocol,
    rank: RankInStages,
    *,
    stages: int,
    block: int = 256,
    keep: int = 20,
    progress: Callable[[int], None] | None = None,
) -> list[SetResult]:
    """Judges several rankings of every query, such as those of stages of re-ranking.

    Args:
      data: see `evaluate_set`, as all below.
      protocol: which images are right and what is measured.
      rank: from rows of the queries to one complete ranking for each stage.
      stages: how many there are.
      block: queries ranked at a time.
      keep: results kept per query, for reports.
      progress: called with the number of queries done since the last call.

    Returns:
      One result for each stage.

    Raises:
      InputError: see `evaluate_set`.
    """
    boards = [_Board(data, protocol, keep=keep) for _ in range(stages)]
    num_queries = len(queries_of(data))
    for start in range(0, num_queries, block):
        rows = np.arange(start, min(start + block, num_queries), dtype=np.int64)
        for board, ranking in zip(boards, rank(rows), strict=True):
            board.add(rows, ranking)
        if progress is not None:
            progress(len(rows))
    return [board.result() for board in boards]


class _Board:
    """Judgements of one ranking of every query, written down block by block."""

    def __init__(self, data: RetrievalSet, protocol: Protocol, *, keep: int):
        self._data, self._protocol = data, protocol
        self._tallies = _tallies(data, protocol)
        self._main = self._tallies[protocol.main]
        num_queries = len(queries_of(data))
        self._shown = min(keep, len(data.database))
        shape = num_queries, self._shown
        self._ids = np.full(shape, MISSING_ID, np.int64)
        self._scores = np.full(shape, -np.inf, np.float32)
        self._relevance = np.full(shape, -1, np.int8)
        self._unreadable = np.zeros(num_queries, bool)

    def add(self, rows: Int64[np.ndarray, " b"], ranking: Ranking) -> None:
        num_images, shown = len(self._data.database), self._shown
        _check_complete(ranking, rows, num_images)
        self._ids[rows] = ranking.ids[:, :shown]
        self._scores[rows] = ranking.scores[:, :shown]
        self._unreadable[rows] = (ranking.ids == MISSING_ID).all(axis=1)
        for row, ranked in zip(rows.tolist(), ranking.ids, strict=True):
            for tally in self._tallies.values():
                verdicts = judge_ranking(ranked, tally.judge.judge(row), num_images)
                tally.add(row, verdicts)
                if tally is self._main:
                    self._relevance[row] = verdicts[:shown]

    def result(self) -> SetResult:
        metrics, definitions = {}, {}
        protocol_used = self._protocol.variant(self._data)
        for tally in self._tallies.values():
            metrics |= tally.metrics()
            definitions |= tally.definitions()
            protocol_used |= tally.counts(self._unreadable)
        return SetResult(
            name=self._data.name,
            metrics=metrics,
            definitions=definitions,
            protocol=protocol_used
            | {
                "database_images": str(len(self._data.database)),
                "without_descriptor": "never found; as a query counts 0",
                "ties": "equal scores are ordered by database row",
            },
            average_precision=self._main.first_measure(),
            ranking=Ranking(self._ids, self._scores),
            relevance=self._relevance,
            num_positives=self._main.num_positives,
        )


def judge_ranking(
    ranked: Int64[np.ndarray, " K"], judgement: Judgement, num_images: int
) -> Int8[np.ndarray, " K"]:
    """Returns a verdict per result: 1 right, 0 wrong, -1 ignored or missing.

    Args:
      ranked: int64 [K] ids in [0, num_images), or -1 for a missing result.
      judgement: what is right and what is ignored.
      num_images: size of the database.
    """
    verdict = np.zeros(num_images + 1, np.int8)
    verdict[judgement.positives] = 1
    verdict[judgement.ignored] = -1
    verdict[MISSING_ID] = -1  # the spare last entry, which id -1 reads
    return verdict[ranked]


def positive_ranks(verdicts: Int8[np.ndarray, " K"]) -> Int64[np.ndarray, " P"]:
    """Returns the 0-based ranks of the right results among those not ignored.

    >>> positive_ranks(np.array([-1, 1, 0, -1, 1], np.int8))
    array([0, 2])
    """
    right, ignored = np.flatnonzero(verdicts > 0), np.flatnonzero(verdicts < 0)
    return right - np.searchsorted(ignored, right)


@dataclass(frozen=True)
class _Tally:
    """Metrics of every query under one judge."""

    judge: Judge
    measures: tuple[Measure, ...]
    num_positives: np.ndarray  # int64 [Q]
    values: np.ndarray  # float64 [Q, measures]

    @property
    def judged(self) -> np.ndarray:
        return self.num_positives > 0

    def add(self, row: int, verdicts: np.ndarray) -> None:
        if total := int(self.num_positives[row]):
            ranks = positive_ranks(verdicts)
            self.values[row] = [m.function(ranks, total) for m in self.measures]

    def first_measure(self) -> np.ndarray:
        return np.where(self.judged, self.values[:, 0], np.nan).astype(np.float32)

    def metrics(self) -> dict[str, float]:
        if not self.judged.any():
            return {}
        means = self.values[self.judged].mean(axis=0).tolist()
        names = [self.judge.full_name(measure.name) for measure in self.measures]
        return dict(zip(names, means, strict=True))

    def definitions(self) -> dict[str, str]:
        if not self.judged.any():
            return {}
        rule = f" ({self.judge.rule})" if self.judge.name else ""
        return {
            self.judge.full_name(m.name): f"{m.definition.removesuffix('.')}{rule}."
            for m in self.measures
        }

    def counts(self, unreadable: np.ndarray) -> dict[str, str]:
        counts = {
            "queries_judged": self.judged,
            "queries_without_right_image": ~self.judged,
            "queries_unreadable": self.judged & unreadable,
        }
        return {self.judge.full_name(k): str(int(v.sum())) for k, v in counts.items()}


def _tallies(data: RetrievalSet, protocol: Protocol) -> dict[str, _Tally]:
    """Counts positives before anything is ranked: an unusable set fails at once."""
    num_queries = len(queries_of(data))
    tallies = {}
    for judge in protocol.judges(data):
        counts = [len(judge.judge(row).positives) for row in range(num_queries)]
        values = np.zeros((num_queries, len(protocol.measures)))
        tallies[judge.name] = _Tally(
            judge, protocol.measures, np.array(counts, np.int64), values
        )
    main = tallies[protocol.main]
    if not main.judged.any():
        raise InputError(
            f"none of the {num_queries} queries of '{data.name}' has a right image in "
            f"the database ({main.judge.rule}), so nothing can be measured. Give each "
            "query at least one right answer; for labels, at least two images of one."
        )
    return tallies


def _check_complete(ranking: Ranking, rows: np.ndarray, num_images: int) -> None:
    if ranking.ids.shape != (len(rows), num_images):
        raise InputError(
            f"evaluation needs complete rankings of shape {(len(rows), num_images)}; "
            f"got {ranking.ids.shape}. Rank all images of the database."
        )
    if ranking.ids.max() >= num_images:
        raise InputError(
            f"a ranking names image {ranking.ids.max()}, but the database has "
            f"{num_images} images. Rank the database that is being evaluated."
        )
