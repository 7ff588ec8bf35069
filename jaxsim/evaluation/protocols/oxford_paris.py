"""Oxford5k and Paris6k as first published."""

from dataclasses import dataclass
from typing import ClassVar

from jaxsim.data.records import RetrievalSet
from jaxsim.evaluation.protocols import base, measures


@dataclass(frozen=True, kw_only=True)
class OxfordParis:
    """Good and ok images are right, junk is skipped, the query itself may be found.

    Source: Philbin et al. 2007 (Oxford5k), Philbin et al. 2008 (Paris6k).
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
        return (base.given_judge(data, rule="right: good and ok; ignored: junk"),)

    def variant(self, data: RetrievalSet) -> dict[str, str]:
        """Returns the rules used, for the record."""
        return {
            "protocol": "Oxford/Paris, original",
            "average_precision": measures.TRAPEZOID,
            "right": "good and ok",
            "ignored": "junk",
            "query_image": base.query_place(data),
            "query_crop": base.query_crop(data),
        }
