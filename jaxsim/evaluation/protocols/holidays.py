"""INRIA Holidays."""

from dataclasses import dataclass
from typing import ClassVar

from jaxsim.data.records import RetrievalSet
from jaxsim.evaluation.protocols import base, measures


@dataclass(frozen=True, kw_only=True)
class Holidays:
    """The first photo of each group should find the others; itself is ignored.

    Source: Jégou, Douze & Schmid 2008.
    """

    main: ClassVar[str] = ""

    @property
    def measures(self) -> tuple[base.Measure, ...]:
        """Average precision by the trapezoid rule, the only published metric."""
        return (measures.MAP_TRAPEZOID,)

    def judges(self, data: RetrievalSet) -> tuple[base.Judge, ...]:
        """Returns the one judge, which follows the groups.

        Raises:
          InputError: the set lists no positives.
        """
        rule = "right: the other photos of the group; ignored: the query"
        return (base.given_judge(data, rule=rule),)

    def variant(self, data: RetrievalSet) -> dict[str, str]:
        """Returns the rules used, for the record."""
        return {
            "protocol": "Holidays",
            "average_precision": measures.TRAPEZOID,
            "right": "the other photos of the query's group",
            "ignored": "the query, wherever it is ranked",
            "query_image": base.query_place(data),
            "query_crop": base.query_crop(data),
        }
