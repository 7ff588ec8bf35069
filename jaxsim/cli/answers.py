"""Queries and answers of a search, whatever is searched."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxsim.core.ranking import Ranking
    from jaxsim.data.records import Record
    from jaxsim.data.rejects import Reject

Describe = Callable[[int], dict[str, object]]
"""From the id of a row to what is said of it."""


def open_queries(
    options: argparse.Namespace,
) -> "tuple[Sequence[Record], Sequence[Reject]]":
    """Returns the images that options name, and paths that are none."""
    from jaxsim.core.errors import InputError
    from jaxsim.data.sources import open_sources

    sources = [*options.queries, *([options.folder] if options.folder else [])]
    if not sources:
        raise InputError("give at least one query image, or --folder FOLDER")
    return open_sources(sources)


def usable(
    queries: "Sequence[Record]",
    ranking: "Ranking",
    rejects: "Sequence[Reject]",
    skipped: "Sequence[Reject]",
) -> "tuple[list[Record], Ranking]":
    """Says what was skipped, and returns the other queries with their rankings.

    Args:
      queries: all.
      ranking: of all.
      rejects: those that cannot be used; their id is the query's row.
      skipped: these and paths that never became queries.

    Raises:
      InputError: none is left.
    """
    import sys

    from jaxsim.cli.output import printable
    from jaxsim.core.errors import InputError
    from jaxsim.core.ranking import Ranking

    for reject in skipped:
        print(f"skipped {printable(reject.name)}: {reject.reason}", file=sys.stderr)
    if len(rejects) == len(queries):
        raise InputError("none of the queries can be used")
    rows = sorted(set(range(len(queries))) - {reject.id for reject in rejects})
    chosen = Ranking(ranking.ids[rows], ranking.scores[rows])
    return [queries[row] for row in rows], chosen


def answers(
    queries: "Sequence[Record]", ranking: "Ranking", describe: Describe
) -> list[dict]:
    """Returns each query with its results, as JSON has them."""
    return [
        {
            "query": query.name,
            "path": str(query.content) if isinstance(query.content, Path) else None,
            "results": [
                {
                    "rank": rank,
                    "id": int(i),
                    **describe(int(i)),
                    "score": round(float(score), 6),
                }
                for rank, (i, score) in enumerate(zip(ids, scores, strict=True), 1)
                if i >= 0
            ],
        }
        for query, ids, scores in zip(queries, ranking.ids, ranking.scores, strict=True)
    ]


def print_tables(found: list[dict]) -> None:
    """Prints a table for each answer, or a sentence where nothing is found."""
    from jaxsim.cli.output import printable, table

    for answer in found:
        print(printable(answer["query"]))
        if not answer["results"]:
            print("no image matches", end="\n\n")
            continue
        rows = [
            [str(hit["rank"]), f"{hit['score']:.3f}", printable(hit["name"])]
            for hit in answer["results"]
        ]
        print(table(["rank", "score", "image"], rows), end="\n\n")
