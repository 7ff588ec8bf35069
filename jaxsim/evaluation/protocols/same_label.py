"""Same-label retrieval: right is what carries the query's label."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from jaxsim.core.errors import InputError
from jaxsim.data.records import RetrievalSet
from jaxsim.evaluation.protocols import base, measures


@dataclass(frozen=True, kw_only=True)
class SameLabel:
    """Every image of a class should find the others.

    Where the set has no queries of its own, each database image queries all the
    others: it is removed by id from its own ranking, never by its score, so that an
    exact duplicate stays. A query whose label no other image carries is not judged;
    as a result it still stands in the ranking of others.

    Attributes:
      recall_at: k of the recall@k measured; 1, 10, 100, 1000 for Online Products.
      precision_at: k of the precision@k measured.

    Source: Oh Song et al. 2016 (splits, recall@k); Musgrave et al. 2020 (R-precision,
    MAP@R).
    """

    recall_at: tuple[int, ...] = (1, 2, 4, 8)
    precision_at: tuple[int, ...] = (1, 5, 10)
    main: ClassVar[str] = ""

    @property
    def measures(self) -> tuple[base.Measure, ...]:
        """Average precision (finite sum), recall, precision, R-precision, MAP@R."""
        return (
            measures.MAP_FINITE,
            *map(measures.recall, self.recall_at),
            *map(measures.precision, self.precision_at),
            measures.R_PRECISION,
            measures.MAP_AT_R,
        )

    def judges(self, data: RetrievalSet) -> tuple[base.Judge, ...]:
        """Returns the one judge, which compares labels.

        Raises:
          InputError: no database image, or no query, carries a label.
        """
        asked = [record.label for record in base.queries_of(data)]
        rows_of_label = _rows_of_label(data)
        if not rows_of_label or all(label is None for label in asked):
            raise InputError(
                f"same-label retrieval needs labels, but the images of '{data.name}' "
                "have none. Put each label's images in a folder of its name, or give a "
                "manifest with a column 'label'."
            )
        none = np.empty(0, np.int64)

        def judge(row: int) -> base.Judgement:
            label = asked[row]
            ignored = base.ignored_ids(data, row)
            same = none if label is None else rows_of_label.get(label, none)
            return base.Judgement(same[~np.isin(same, ignored)], ignored)

        return (base.Judge("", "right: the images with the query's label", judge),)

    def variant(self, data: RetrievalSet) -> dict[str, str]:
        """Returns the rules used, for the record."""
        return {
            "protocol": "same label",
            "average_precision": measures.FINITE,
            "right": "images with the query's label",
            "ignored": "nothing but the listed images" if data.ignored else "nothing",
            "query_image": base.query_place(data),
            "query_crop": base.query_crop(data),
            "lonely_labels": "a query whose label no other image has is not judged",
        }


def _rows_of_label(data: RetrievalSet) -> dict[str, np.ndarray]:
    rows: dict[str, list[int]] = {}
    for row, record in enumerate(data.database):
        if record.label is not None:
            rows.setdefault(record.label, []).append(row)
    return {label: np.asarray(ids, np.int64) for label, ids in rows.items()}
