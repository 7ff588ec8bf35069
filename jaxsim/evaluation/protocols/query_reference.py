"""Query-reference retrieval: separate queries with listed right answers."""

from dataclasses import dataclass
from typing import ClassVar

from jaxsim.data.records import RetrievalSet
from jaxsim.evaluation.protocols import base, measures


@dataclass(frozen=True, kw_only=True)
class QueryReference:
    """Each query should find its listed references in a database of its own.

    Attributes:
      recall_at: k of the recall@k measured.
    """

    recall_at: tuple[int, ...] = (1, 5, 10)
    main: ClassVar[str] = ""

    @property
    def measures(self) -> tuple[base.Measure, ...]:
        """Average precision (finite sum; 1/rank with one reference) and recall."""
        return (measures.MAP_FINITE, *map(measures.recall, self.recall_at))

    def judges(self, data: RetrievalSet) -> tuple[base.Judge, ...]:
        """Returns the one judge, which follows the set's lists.

        Raises:
          InputError: the set lists no positives.
        """
        return (base.given_judge(data, rule="right: the listed references"),)

    def variant(self, data: RetrievalSet) -> dict[str, str]:
        """Returns the rules used, for the record."""
        return {
            "protocol": "query against references",
            "average_precision": measures.FINITE,
            "right": "the references listed for the query",
            "ignored": "the images listed for the query" if data.ignored else "nothing",
            "query_image": base.query_place(data),
            "query_crop": base.query_crop(data),
        }
