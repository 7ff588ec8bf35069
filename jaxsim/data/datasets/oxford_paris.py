"""Oxford5k and Paris6k, as first published and revisited.

Expected files: the published photos, `<root>/NAME.jpg` or in folders directly below the
root: `<root>/jpg/NAME.jpg` as in the revisited release, `<root>/<landmark>/NAME.jpg` as
in the Paris archives. 20 Paris photos are damaged and left out by convention, in the
ground truth already: 6,392 of 6,412 remain (6,322 in the revisited database).

Source: Philbin et al. 2007, 2008; Radenović et al. 2018.
"""

from dataclasses import replace
from pathlib import Path

from jaxsim.core.errors import InputError
from jaxsim.data.datasets.files import data_folder, find_photos
from jaxsim.data.ground_truth import GroundTruth
from jaxsim.data.records import Record, RetrievalSet


def load_original(
    root: Path,
    ground_truth: GroundTruth,
    *,
    crop_queries: bool = True,
    keep_queries: bool = True,
) -> list[RetrievalSet]:
    """Returns the set with good and ok as positives and junk ignored.

    Args:
      root: folder of the photos.
      ground_truth: that of oxford5k or paris6k.
      crop_queries: crop each query to its box, as the protocol does.
      keep_queries: the query images stay in the database, where finding itself counts
        as right: the protocol. False takes all of them out of every ranking, as some
        published numbers do.

    Raises:
      InputError: photos are missing, or the ground truth is another one's.
    """
    _need_grades(ground_truth, ("ok", "junk"))
    queries = ground_truth.queries
    out = set() if keep_queries else _rows(ground_truth)
    database, asked = _images(root, ground_truth, crop_queries)
    return [
        RetrievalSet(
            name=ground_truth.dataset,
            database=database,
            queries=asked,
            positives=[
                [i for i in query.ids["ok"] if i not in out] for query in queries
            ],
            ignored=[sorted({*query.ids["junk"], *out}) for query in queries],
        )
    ]


def load_revisited(
    root: Path, ground_truth: GroundTruth, *, crop_queries: bool = True
) -> list[RetrievalSet]:
    """Returns the set with easy, hard and junk images; it never ranks the queries.

    Args:
      root: folder of the photos, queries included.
      ground_truth: that of roxford5k or rparis6k.
      crop_queries: crop each query to its box, as the protocol does.

    Raises:
      InputError: photos are missing, or the ground truth is another one's.
    """
    grades = ("easy", "hard", "junk")
    _need_grades(ground_truth, grades)
    database, asked = _images(root, ground_truth, crop_queries)
    return [
        RetrievalSet(
            name=ground_truth.dataset,
            database=database,
            queries=asked,
            graded=[
                {grade: list(query.ids[grade]) for grade in grades}
                for query in ground_truth.queries
            ],
        )
    ]


def _images(
    root: Path, ground_truth: GroundTruth, crop_queries: bool
) -> tuple[list[Record], list[Record]]:
    """Returns the database and the queries; one photo has one name in both."""
    names = [*ground_truth.database, *(query.name for query in ground_truth.queries)]
    layout = f"the photos of {ground_truth.dataset} as published"
    root = data_folder(root, holds=layout)
    paths = find_photos(root, names, layout)
    records = [
        Record(name=f"{name}.jpg", content=path)
        for name, path in zip(names, paths, strict=True)
    ]
    num_images = len(ground_truth.database)
    queries = [
        replace(record, box=query.box if crop_queries else None)
        for record, query in zip(
            records[num_images:], ground_truth.queries, strict=True
        )
    ]
    return records[:num_images], queries


def _rows(ground_truth: GroundTruth) -> set[int]:
    """Returns where the database holds query images."""
    rows = {query.database_index for query in ground_truth.queries}
    return {row for row in rows if row is not None}


def _need_grades(ground_truth: GroundTruth, grades: tuple[str, ...]) -> None:
    for query in ground_truth.queries:
        if missing := [grade for grade in grades if grade not in query.ids]:
            raise InputError(
                f"the ground truth of {ground_truth.dataset} has no '{missing[0]}' "
                f"images for the query {query.name}; this protocol needs {grades}. The "
                "original sets have ok and junk, the revisited easy, hard and junk."
            )
