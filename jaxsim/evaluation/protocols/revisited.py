"""Revisited Oxford and Paris: Easy, Medium and Hard."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from jaxsim.core.errors import InputError
from jaxsim.data.records import RetrievalSet
from jaxsim.evaluation.protocols import base, measures

# difficulty: (grades that are right, grades that are ignored)
_ROLES = {
    "easy": (("easy",), ("junk", "hard")),
    "medium": (("easy", "hard"), ("junk",)),
    "hard": (("hard",), ("junk", "easy")),
}


@dataclass(frozen=True, kw_only=True)
class Revisited:
    """Each ranking is judged three times, with harder and harder positives.

    Easy: easy images are right, hard and junk are ignored. Medium: easy and hard are
    right, junk is ignored. Hard: hard are right, easy and junk are ignored.

    Attributes:
      precision_at: k of the mp@k measured.

    Source: Radenović et al. 2018, section 2.
    """

    precision_at: tuple[int, ...] = (1, 5, 10)
    main: ClassVar[str] = "medium"

    @property
    def measures(self) -> tuple[base.Measure, ...]:
        """Average precision by the trapezoid rule, and mp@k."""
        return (
            measures.MAP_TRAPEZOID,
            *map(measures.revisited_precision, self.precision_at),
        )

    def judges(self, data: RetrievalSet) -> tuple[base.Judge, ...]:
        """Returns the judges "easy", "medium" and "hard".

        Raises:
          InputError: a query is not graded.
        """
        graded = _graded(data)

        def judge_of(right: Sequence[str], ignored: Sequence[str]):
            def judge(row: int) -> base.Judgement:
                grades = graded[row]
                return base.Judgement(
                    base.unique_ids([i for g in right for i in grades[g]], data, row),
                    base.unique_ids([i for g in ignored for i in grades[g]], data, row),
                )

            return judge

        return tuple(
            base.Judge(
                name,
                f"right: {' and '.join(right)}; ignored: {' and '.join(ignored)}",
                judge_of(right, ignored),
            )
            for name, (right, ignored) in _ROLES.items()
        )

    def variant(self, data: RetrievalSet) -> dict[str, str]:
        """Returns the rules used, for the record."""
        return {
            "protocol": "Oxford/Paris, revisited",
            "average_precision": measures.TRAPEZOID,
            "right": "easy: easy; medium: easy and hard; hard: hard",
            "ignored": "easy: junk and hard; medium: junk; hard: junk and easy",
            "query_image": base.query_place(data),
            "query_crop": base.query_crop(data),
        }


def _graded(data: RetrievalSet) -> Sequence[dict[str, list[int]]]:
    needed = ("easy", "hard", "junk")
    if data.graded is None:
        raise InputError(
            f"the revisited protocol needs graded answers {needed} for each query; the "
            f"data set '{data.name}' has none. Load it from its revisited ground truth."
        )
    for row, grades in enumerate(data.graded):
        if missing := [grade for grade in needed if grade not in grades]:
            raise InputError(
                f"query {row} of '{data.name}' lacks the grade '{missing[0]}'; each "
                f"query needs {needed}, an empty list where there is none."
            )
        listed = [i for grade in needed for i in grades[grade]]
        if len(set(listed)) != sum(len(set(grades[grade])) for grade in needed):
            raise InputError(
                f"query {row} of '{data.name}' gives one image two of the grades "
                f"{needed}. Each image can have one: correct the ground truth."
            )
    return data.graded
