"""What a ranking says of pairs of images that match, and of others."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int64

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import MISSING_ID, Ranking

Judged = tuple[Int64[np.ndarray, " P"], Int64[np.ndarray, " J"]]
"""Ids that are right for a query, and ids that do not count for it."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Pairs of a query and an image.

    Attributes:
      queries: int64 [P], rows of the queries, rising.
      images: int64 [P].
      matching: bool [P].
      ignored: of each query, ids that do not count, such as the query itself.
    """

    queries: Int64[np.ndarray, " P"]
    images: Int64[np.ndarray, " P"]
    matching: Bool[np.ndarray, " P"]
    ignored: dict[int, Int64[np.ndarray, " J"]]


def draw_pairs(
    judged: dict[int, Judged],
    images: int,
    generator: np.random.Generator,
    *,
    per_query: int = 4,
) -> Pairs:
    """Draws as many matching pairs of each query as others, at most `per_query`.

    Args:
      judged: by the rows of queries.
      images: N.
      generator: of the draw.
      per_query: of each kind.

    Raises:
      InputError: no query has both a right and a wrong image.
    """
    parts = []
    for row, (right, ignored) in sorted(judged.items()):
        wrong = np.setdiff1d(np.arange(images), np.concatenate([right, ignored]))
        count = min(len(right), len(wrong), per_query)
        for ids, kind in ((right, True), (wrong, False)):
            drawn = generator.choice(ids, count, replace=False) if count else ids[:0]
            parts.append((np.full(count, row), drawn, np.full(count, kind)))
    if not any(len(rows) for rows, _, _ in parts):
        raise InputError("no query has both a right and a wrong image to compare")
    queries, ids, matching = map(np.concatenate, zip(*parts, strict=True))
    return Pairs(
        queries.astype(np.int64),
        ids.astype(np.int64),
        matching.astype(bool),
        {row: ignored for row, (_, ignored) in judged.items()},
    )


def write_scores(
    scores: Float32[np.ndarray, " P"],
    pairs: Pairs,
    rows: Int64[np.ndarray, " q"],
    ranking: Ranking,
) -> None:
    """Writes how a complete ranking scores the pairs of some queries, from 0 to 1.

    Methods score in different units. So 0 is the least score that the query gives to an
    image, and 1 the largest; what is ignored is left out, and so are missing images,
    whose pairs get NaN.

    Args:
      scores: float32 [P], written to.
      pairs: P pairs.
      rows: int64 [q], the queries of the ranking.
      ranking: [q, N].
    """
    for row, ids, found in zip(rows.tolist(), ranking.ids, ranking.scores, strict=True):
        own = slice(*np.searchsorted(pairs.queries, [row, row + 1]))
        if own.start == own.stop:
            continue
        counted = (ids != MISSING_ID) & ~np.isin(ids, pairs.ignored[row])
        by_id = np.full(len(ids), np.nan, np.float32)
        if counted.any():
            low, high = found[counted].min(), found[counted].max()
            scaled = (found[counted] - low) / max(high - low, 1e-30)
            by_id[ids[counted]] = np.clip(scaled, 0, 1)
        scores[own] = by_id[pairs.images[own]]
