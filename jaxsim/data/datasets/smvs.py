"""Stanford Mobile Visual Search: a phone photo against the object's clean picture.

Expected files: `<root>/<set>/query/X.jpg` and `<root>/<set>/reference/X.jpg` for each
set; `query/X.jpg` shows what `reference/X.jpg` shows, and nothing else does.

Source: Chandrasekhar et al. 2011.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from jaxsim.core.errors import InputError
from jaxsim.data.datasets.files import data_folder, refuse_missing
from jaxsim.data.records import Record, RetrievalSet
from jaxsim.data.sources import open_source


def load(
    root: Path, *, sets: Sequence[str] = ("landmarks", "book_covers")
) -> list[RetrievalSet]:
    """Returns one query-reference set for each folder in `sets`.

    Args:
      root: folder that holds the sets' folders.
      sets: names of the folders, and of the retrieval sets.

    Raises:
      InputError: a folder has no queries, or a query has no reference.
    """
    folder = data_folder(root, holds="SET/query and SET/reference for each set")
    return [_load_set(folder, name) for name in sets]


def references(root: Path) -> list[Record]:
    """Returns the clean pictures of all sets, to fit whitening on."""
    return [record for data in load(root) for record in data.database]


def among(
    root: Path,
    *,
    distractors: str,
    sets: Sequence[str] = ("landmarks", "book_covers"),
) -> list[RetrievalSet]:
    """Returns the sets of `load`, each asked of all references and many other photos.

    Args:
      root: see `load`.
      distractors: a folder, manifest or split of photos that answer no query.
      sets: see `load`.

    Raises:
      InputError: see `load`; or there are no distractors.
    """
    alone = load(root, sets=sets)
    others = [replace(r, label=None) for r in open_source(distractors)[0]]
    database = [record for data in alone for record in data.database] + others
    found, first = [], 0
    for data in alone:
        positives = [[first + row for row in rows] for rows in data.positives or ()]
        found.append(replace(data, database=database, positives=positives))
        first += len(data.database)
    return found


def references_among(root: Path, *, distractors: str) -> list[Record]:
    """Returns the database of `among`: all references, then the distractors."""
    return list(among(root, distractors=distractors)[0].database)


def _load_set(root: Path, name: str) -> RetrievalSet:
    layout = f"pairs {root / name}/query/X.jpg and {root / name}/reference/X.jpg"
    queries = sorted(path.name for path in (root / name / "query").glob("*.jpg"))
    references = sorted(path.name for path in (root / name / "reference").glob("*.jpg"))
    if not queries:
        raise InputError(
            f"no photos in {root / name}/query. Expected {layout}; point --data at the "
            f"folder that holds '{name}'."
        )
    row = {file: i for i, file in enumerate(references)}
    alone = [f"{root / name}/reference/{file}" for file in queries if file not in row]
    refuse_missing(alone, len(queries), layout)
    return RetrievalSet(
        name=name,
        database=_records(root, f"{name}/reference", references),
        queries=_records(root, f"{name}/query", queries),
        positives=[[row[file]] for file in queries],
    )


def _records(root: Path, folder: str, files: Sequence[str]) -> list[Record]:
    return [
        Record(name=f"{folder}/{file}", content=root / folder / file, label=file[:-4])
        for file in files
    ]
