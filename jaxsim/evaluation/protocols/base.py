"""What a protocol is: who judges, what is measured, and which rules were used."""

import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from jaxsim.core.errors import InputError
from jaxsim.data.records import Record, RetrievalSet


@dataclass(frozen=True)
class Judgement:
    """What is right for one query; every other image of the database is wrong.

    Attributes:
      positives: int64 ids that count as right, each once.
      ignored: int64 ids taken out of the ranking before it is judged; none of them
        is a positive.
    """

    positives: Int64[np.ndarray, " P"]
    ignored: Int64[np.ndarray, " J"]


@dataclass(frozen=True)
class Judge:
    """One way to tell right from wrong in a retrieval set.

    Attributes:
      name: prefix of the metric names, such as "hard"; "" where there is one judge.
      rule: what is right and what is ignored, for people.
      judge: from a query's row number to its judgement, made when asked for.
    """

    name: str
    rule: str
    judge: Callable[[int], Judgement]

    def full_name(self, metric: str) -> str:
        """Returns "<judge>/<metric>", or the metric alone for the only judge."""
        return f"{self.name}/{metric}" if self.name else metric


@dataclass(frozen=True)
class Measure:
    """A metric of one query, averaged over the queries.

    Attributes:
      name: such as "recall@5".
      definition: one sentence.
      function: (rising 0-based ranks of the positives found, number of positives that
        exist) -> fraction.
    """

    name: str
    definition: str
    function: Callable[[np.ndarray, int], float]


@typing.runtime_checkable
class Protocol(typing.Protocol):
    """Turns a retrieval set into judgements and names what is measured.

    The average precision is the first of the measures.

    Attributes:
      main: name of the judge whose verdicts are shown beside the results.
    """

    main: typing.ClassVar[str]

    @property
    def measures(self) -> tuple[Measure, ...]:
        """What is measured under each judge."""
        ...

    def judges(self, data: RetrievalSet) -> tuple[Judge, ...]:
        """Returns the judges of this set.

        Raises:
          InputError: the set lacks the ground truth that the protocol needs.
        """
        ...

    def variant(self, data: RetrievalSet) -> dict[str, str]:
        """Returns the rules used, for the record: AP, junk, self-match, query crop."""
        ...


def queries_of(data: RetrievalSet) -> Sequence[Record]:
    """Returns the images that ask: the queries, or else the whole database."""
    return data.database if data.queries is None else data.queries


def unique_ids(
    ids: Sequence[int], data: RetrievalSet, row: int
) -> Int64[np.ndarray, " M"]:
    """Returns the ids in rising order, each once.

    Raises:
      InputError: an id is not a row of the database.
    """
    unique = np.unique(np.asarray(ids, np.int64))
    outside = unique[(unique < 0) | (unique >= len(data.database))]
    if len(outside):
        raise InputError(
            f"the ground truth of query {row} of '{data.name}' names image "
            f"{outside[0]}, but the database has rows 0 to {len(data.database) - 1}. "
            "Use 0-based rows of the database that was loaded."
        )
    return unique


def ignored_ids(data: RetrievalSet, row: int) -> Int64[np.ndarray, " J"]:
    """Returns what the set ignores for a query: its list, and itself if ranked."""
    listed = [] if data.ignored is None else data.ignored[row]
    itself = [row] if data.queries is None else []
    return unique_ids([*listed, *itself], data, row)


def given_judge(data: RetrievalSet, *, rule: str) -> Judge:
    """Returns the judge that follows the set's own `positives` and `ignored`.

    Raises:
      InputError: the set lists no positives; or, when judging, an image is listed both
        as right and as ignored.
    """
    positives = data.positives
    if positives is None:
        raise InputError(
            f"the data set '{data.name}' does not list which images are right for each "
            "query. Give `positives`, or use the protocol 'same_label' on labels."
        )

    def judge(row: int) -> Judgement:
        right = unique_ids(positives[row], data, row)
        ignored = ignored_ids(data, row)
        both = np.intersect1d(right, ignored)
        if len(both):
            raise InputError(
                f"query {row} of '{data.name}' lists image {both[0]} both as right and "
                "as ignored. Each image can have one role: correct the ground truth."
            )
        return Judgement(right, ignored)

    return Judge("", rule, judge)


def query_crop(data: RetrievalSet) -> str:
    """Returns how the queries were cropped, for the record."""
    boxed = [record.box is not None for record in queries_of(data)]
    if all(boxed):
        return "each query is cropped to its given box"
    if not any(boxed):
        return "queries are whole images"
    return f"{sum(boxed)} of {len(boxed)} queries are cropped to their given box"


def query_place(data: RetrievalSet) -> str:
    """Returns what finding a query's own image counts as, for the record.

    Images are recognised by their names.
    """
    if data.queries is None:
        return "removed by id from its own ranking"
    rows = {record.name: row for row, record in enumerate(data.database)}
    places = set()
    for query, record in enumerate(data.queries):
        row = rows.get(record.name)
        if row is None:
            places.add("not in the database")
        elif data.ignored is not None and row in data.ignored[query]:
            places.add("in the database, ignored")
        elif data.positives is not None and row in data.positives[query]:
            places.add("in the database, counted as right")
        else:
            places.add("in the database, judged like any other image")
    return "; ".join(sorted(places))
