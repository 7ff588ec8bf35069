"""A query of an evaluation with pictures of it and of its first results."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int8

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import MISSING_ID
from jaxsim.data.records import RetrievalSet
from jaxsim.evaluation.result import EvaluationResult, SetResult
from jaxsim.report.page import Pictures
from jaxsim.report.selection import asked, missed_image
from jaxsim.report.thumbnails import Thumbnail

_RIGHT, _IGNORED = 1, -1
_VERDICTS = {_RIGHT: "right", 0: "wrong", _IGNORED: "ignored"}


@dataclass(frozen=True, kw_only=True)
class ResultView:
    """A result as it stands on the page.

    Attributes:
      name: of the image.
      picture: of the image.
      verdict: "right", "wrong", "ignored", or "missed": right, but not in the ranking.
      score: None if missed.
      rank: among the results that are not ignored; None if ignored or missed.
      after_gap: whether results before it are not shown.
    """

    name: str
    picture: Thumbnail
    verdict: str
    score: float | None = None
    rank: int | None = None
    after_gap: bool = False


@dataclass(frozen=True, kw_only=True)
class QueryView:
    """A query as it stands on the page.

    Attributes:
      name: of the query's image.
      picture: of the query.
      average_precision: fraction.
      num_positives: right images in the database.
      first_right: rank of the first right result, None if the ranking has none.
      results: what is shown of the ranking.
    """

    name: str
    picture: Thumbnail
    average_precision: float
    num_positives: int
    first_right: int | None
    results: list[ResultView]


def require_sets(result: EvaluationResult, sets: Sequence[RetrievalSet]) -> None:
    """Checks that retrieval sets are those of an evaluation.

    Args:
      result: the evaluation.
      sets: the images behind `result.sets`, in the same order.

    Raises:
      InputError: their numbers differ, or one ranks other queries or images.
    """
    if len(result.sets) != len(sets):
        raise InputError(
            f"the evaluation has {len(result.sets)} results but {len(sets)} retrieval "
            "sets were given; give one for each, in the same order"
        )
    for found, images in zip(result.sets, sets, strict=True):
        _require_set(found, images)


def query_view(
    found: SetResult, images: RetrievalSet, query: int, pictures: Pictures
) -> QueryView:
    """Pictures a query and its first results.

    The last place goes to the first right result if that comes later, or to a right
    image that the ranking has missed.

    Args:
      found: the judged rankings.
      images: their images.
      query: row number of the query.
      pictures: makes the thumbnails; its detail says how many results are shown.
    """
    record = asked(images)[query]
    return QueryView(
        name=record.name,
        picture=pictures(record),
        average_precision=float(found.average_precision[query]),
        num_positives=int(found.num_positives[query]),
        first_right=first_right(found.relevance[query]),
        results=_results(found, images, query, pictures),
    )


def first_right(relevance: Int8[np.ndarray, " K"]) -> int | None:
    """Returns the rank of the first right result; ignored ones take no rank.

    Args:
      relevance: int8 [K], 1 right, 0 wrong, -1 ignored.

    Returns:
      The rank from 1, or None if nothing is right.
    """
    right = np.flatnonzero(relevance == _RIGHT)
    return int((relevance[: right[0] + 1] != _IGNORED).sum()) if len(right) else None


def _require_set(found: SetResult, images: RetrievalSet) -> None:
    num_queries, last_id = len(asked(images)), len(images.database) - 1
    if len(found.ranking.ids) != num_queries:
        raise InputError(
            f"the result '{found.name}' ranks {len(found.ranking.ids)} queries but the "
            f"data set '{images.name}' has {num_queries}"
        )
    if found.ranking.ids.size and found.ranking.ids.max() > last_id:
        raise InputError(
            f"the result '{found.name}' names image {found.ranking.ids.max()} but the "
            f"last one of the data set '{images.name}' is {last_id}"
        )


def _results(
    found: SetResult, images: RetrievalSet, query: int, pictures: Pictures
) -> list[ResultView]:
    places = pictures.detail.results
    num_found = int((found.ranking.ids[query] != MISSING_ID).sum())
    right = np.flatnonzero(found.relevance[query] == _RIGHT).tolist()
    missed = None if right else missed_image(images, query)
    columns = list(range(min(num_found, places - (missed is not None))))
    if right and right[0] >= places:
        columns[-1] = right[0]
    results = [_result(found, images, query, column, pictures) for column in columns]
    if missed is not None:
        hit = images.database[missed]
        results.append(
            ResultView(name=hit.name, picture=pictures(hit), verdict="missed")
        )
    return results


def _result(
    found: SetResult, images: RetrievalSet, query: int, column: int, pictures: Pictures
) -> ResultView:
    hit = images.database[int(found.ranking.ids[query, column])]
    relevance = found.relevance[query]
    verdict = _VERDICTS[int(relevance[column])]
    rank = int((relevance[: column + 1] != _IGNORED).sum())
    return ResultView(
        name=hit.name,
        picture=pictures(hit),
        verdict=verdict,
        score=float(found.ranking.scores[query, column]),
        rank=None if verdict == "ignored" else rank,
        after_gap=column >= pictures.detail.results,
    )
