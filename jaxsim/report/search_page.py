"""One page of answers: each query with the images found for it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import MISSING_ID, Ranking
from jaxsim.data.records import Record
from jaxsim.report.page import Detail, Pictures, fit, render
from jaxsim.report.thumbnails import Thumbnail

# Longest side, JPEG quality, bytes of a photograph of that size as text.
_SIZES = ((224, 80, 13_000), (160, 75, 6_500), (112, 70, 3_300), (80, 65, 2_000))

_MOST_RESULTS = 500


@dataclass(frozen=True, kw_only=True)
class HitView:
    """An image found, as it stands on the page."""

    rank: int
    name: str
    picture: Thumbnail
    score: float


@dataclass(frozen=True, kw_only=True)
class AnswerView:
    """A query and its hits."""

    name: str
    picture: Thumbnail
    hits: list[HitView]


def search_page(
    queries: Sequence[Record],
    ranking: Ranking,
    database: Sequence[Record],
    *,
    title: str,
    info: Mapping[str, str],
    max_bytes: int = 5_000_000,
) -> str:
    """Makes a self-contained page of search results.

    An image that cannot be read any more is shown as a placeholder with its name.
    Equal arguments make equal pages.

    Args:
      queries: the images that asked, one for each row of `ranking`.
      ranking: rows of `database` found for each query.
      database: the images that were searched; position = id.
      title: heading of the page.
      info: what to tell about the search, such as {"index": …, "model": …}.
      max_bytes: size the page must not exceed. Thumbnails become smaller until it
        fits; then the last queries are left out. The page says so, also when a query
        has more than 500 results and only these are shown.

    Returns:
      The HTML text.

    Raises:
      InputError: the queries or the database do not fit the ranking, or `max_bytes`
        is too small even for a page without queries.
    """
    if len(queries) != len(ranking.ids):
        raise InputError(
            f"the ranking has {len(ranking.ids)} rows but {len(queries)} queries were "
            "given; give one for each row"
        )
    if ranking.ids.size and ranking.ids.max() >= len(database):
        raise InputError(
            f"the ranking names image {ranking.ids.max()} but the database has only "
            f"{len(database)}; give the database that was searched"
        )

    def build(pictures: Pictures) -> str:
        shown = range(min(pictures.detail.queries, len(queries)))
        context = {
            "title": title,
            "info": info,
            "answers": [
                _answer_view(queries[q], ranking, q, database, pictures) for q in shown
            ],
            "num_queries": len(queries),
            "num_database": len(database),
            "num_results": ranking.ids.shape[1],
            "num_shown": pictures.detail.results,
        }
        return render("search.html.jinja", context)

    num_results = min(ranking.ids.shape[1], _MOST_RESULTS)
    details = _details(len(queries), num_results, max_bytes)
    return fit(build, details, max_bytes=max_bytes)


def _details(num_queries: int, num_results: int, max_bytes: int) -> list[Detail]:
    """Returns all queries at falling sizes, then fewer and fewer of them.

    What will hardly fit is left out, because making thumbnails in vain takes seconds.
    """
    details, most = [], 0
    for px, quality, likely_bytes in _SIZES:
        most = int(1.2 * max_bytes) // (likely_bytes * (num_results + 1))
        if num_queries <= most:
            details.append(
                Detail(px=px, quality=quality, queries=num_queries, results=num_results)
            )
    px, quality, _ = _SIZES[-1]
    n = max(1, min(num_queries, most))
    while n:
        n = n * 3 // 4
        details.append(Detail(px=px, quality=quality, queries=n, results=num_results))
    return details


def _answer_view(
    query: Record,
    ranking: Ranking,
    row: int,
    database: Sequence[Record],
    pictures: Pictures,
) -> AnswerView:
    places = slice(pictures.detail.results)
    ids, scores = ranking.ids[row, places], ranking.scores[row, places]
    found = zip(ids.tolist(), scores.tolist(), strict=True)
    return AnswerView(
        name=query.name,
        picture=pictures(query),
        hits=[
            HitView(
                rank=rank,
                name=database[i].name,
                picture=pictures(database[i]),
                score=score,
            )
            for rank, (i, score) in enumerate(found, 1)
            if i != MISSING_ID
        ],
    )
