"""INSTRE with the queries of Iscen et al."""

from dataclasses import dataclass
from typing import ClassVar

from jaxsim.data.records import RetrievalSet
from jaxsim.evaluation.protocols import base, measures


@dataclass(frozen=True, kw_only=True)
class Instre:
    """A cropped object should find the database images that show it; no junk.

    Source: Wang & Jiang 2015 (images); Iscen et al. 2017 (queries and index).
    """

    main: ClassVar[str] = ""

    @property
    def measures(self) -> tuple[base.Measure, ...]:
        """Average precision by the trapezoid rule, the only published metric."""
        return (measures.MAP_TRAPEZOID,)

    def judges(self, data: RetrievalSet) -> tuple[base.Judge, ...]:
        """Returns the one judge, which follows the ground truth.

        Raises:
          InputError: the set lists no positives.
        """
        return (base.given_judge(data, rule="right: images of the query's object"),)

    def variant(self, data: RetrievalSet) -> dict[str, str]:
        """Returns the rules used, for the record."""
        return {
            "protocol": "INSTRE",
            "average_precision": measures.TRAPEZOID,
            "right": "images of the query's object",
            "ignored": "nothing",
            "query_image": base.query_place(data),
            "query_crop": base.query_crop(data),
        }
