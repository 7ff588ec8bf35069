"""Published ground truth: which database images answer which query.

Read from the project's JSON, from the pickles of the revisited Oxford and Paris sets
(gnd_roxford5k.pkl, gnd_oxford5k.pkl, …) without running what is in them, and from
MATLAB files (gnd_roxford5k.mat, gnd_instre.mat).
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxsim.core.errors import InputError
from jaxsim.core.pickles import ARRAYS, CONTAINERS, restricted_load
from jaxsim.data.records import Box

GRADES = (("ok", "junk"), ("easy", "hard", "junk"))
"""Names of the lists of a query in the original and in the revisited sets."""


@dataclass(frozen=True)
class QueryTruth:
    """A query and the database images that answer it.

    Attributes:
      name: of the query image, as the ground truth writes it.
      box: the part of it that asks, None for the whole image.
      ids: rows of the database by grade, with the keys of one of `GRADES`.
      database_index: row of the query image itself; None where the database does not
        hold it.
    """

    name: str
    box: Box | None
    ids: dict[str, tuple[int, ...]]
    database_index: int | None


@dataclass(frozen=True)
class GroundTruth:
    """The ground truth of one data set.

    Attributes:
      dataset: such as "roxford5k".
      database: image names; position = id.
      queries: in published order.

    Raises:
      InputError: names repeat, ids are out of range or stand in two lists of a query,
        or a box is empty.
    """

    dataset: str
    database: tuple[str, ...]
    queries: tuple[QueryTruth, ...]

    def __post_init__(self):
        _check_unique(self.database, "database images")
        _check_unique([query.name for query in self.queries], "queries")
        for query in self.queries:
            _check_query(query, self.database)


def read_ground_truth(path: str | Path) -> GroundTruth:
    """Reads .json, .pkl or .mat, by the file's suffix.

    The data set's name is in the JSON; for the others it is the part of the file's
    name after "gnd_". Rows of MATLAB files, which count from 1, become ids from 0.

    Raises:
      InputError: the file is absent, damaged, of another kind, or contradicts itself.
    """
    path = Path(path)
    readers = {".json": _read_json, ".pkl": _read_pickle, ".mat": _read_matlab}
    if path.suffix not in readers:
        raise InputError(
            f"{path} is no ground truth that can be read; expected a file ending in "
            f"{', '.join(readers)}"
        )
    try:
        return readers[path.suffix](path)
    except FileNotFoundError:
        raise InputError(f"the ground truth {path} does not exist") from None
    except InputError as error:
        raise InputError(f"the ground truth {path} cannot be used: {error}") from error
    except Exception as error:  # damaged files raise any type
        raise InputError(
            f"{path} is damaged or no ground truth ({error!r}). Expected a list of "
            "database images, a list of queries and, for each query, the rows of its "
            "answers; copy or download the file again."
        ) from error


def _read_json(path: Path) -> GroundTruth:
    content = json.loads(path.read_bytes())
    database = tuple(content["database"])
    queries = []
    for entry in content["queries"]:
        truth = _query(entry["name"], entry.get("bbox_xyxy_px"), entry, database)
        if entry.get("database_index", truth.database_index) != truth.database_index:
            raise InputError(
                f"the query {truth.name} says it is row {entry['database_index']} of "
                f"the database, which holds it at {truth.database_index}"
            )
        queries.append(truth)
    return GroundTruth(content["dataset"], database, tuple(queries))


def _read_pickle(path: Path) -> GroundTruth:
    with open(path, "rb") as file:
        content = restricted_load(file, {**CONTAINERS, **ARRAYS})
    return _published(path, content["imlist"], content["qimlist"], content["gnd"])


def _read_matlab(path: Path) -> GroundTruth:
    from scipy.io import loadmat

    with open(path, "rb") as file:
        if file.read(10) == b"MATLAB 7.3":
            raise InputError(
                "it is a MATLAB 7.3 file (HDF5); save it in MATLAB with "
                "save(name, '-v7') and try again"
            )
    content = loadmat(path, variable_names=("imlist", "qimlist", "gnd"))
    entries = [
        {
            name: entry[name] if name == "bbx" else np.asarray(entry[name]) - 1
            for name in content["gnd"].dtype.names
        }
        for entry in content["gnd"].ravel()
    ]
    names, queries = (
        [str(cell.item()) for cell in content[key].ravel()]
        for key in ("imlist", "qimlist")
    )
    return _published(path, names, queries, entries)


def _published(
    path: Path, names: Iterable[str], queries: Iterable[str], entries: Iterable[Any]
) -> GroundTruth:
    """Builds the truth from what the .pkl and .mat files hold, ids from 0."""
    database = tuple(names)
    return GroundTruth(
        path.stem.removeprefix("gnd_"),
        database,
        tuple(
            _query(name, entry.get("bbx"), entry, database)
            for name, entry in zip(queries, entries, strict=True)
        ),
    )


def _query(
    name: str, corners: Any, entry: Mapping[str, Any], database: tuple[str, ...]
) -> QueryTruth:
    """Builds one query; `corners` are (x0, y0, x1, y1) in pixels, or None."""
    original, revisited = GRADES
    grades = revisited if "easy" in entry else original
    box = None
    if corners is not None:
        x0, y0, x1, y1 = np.asarray(corners, float).ravel().tolist()
        box = (y0, x0, y1, x1)
    ids = {
        key: _ids(entry.get(key, ()) if key == "junk" else entry[key]) for key in grades
    }
    index = database.index(name) if name in database else None
    return QueryTruth(name, box, ids, index)


def _ids(values: Any) -> tuple[int, ...]:
    array = np.asarray(values).ravel()
    if array.size and (array != np.floor(array)).any():
        raise InputError(f"rows must be whole numbers; got {array.tolist()}")
    return tuple(array.astype(np.int64).tolist())


def _check_unique(names: Iterable[str], what: str) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise InputError(
            f"{len(repeated)} names of {what} are given twice, such as '{repeated[0]}'"
        )


def _check_query(query: QueryTruth, database: tuple[str, ...]) -> None:
    counts = Counter(row for rows in query.ids.values() for row in rows)
    for row, count in counts.items():
        if not 0 <= row < len(database):
            raise InputError(
                f"the query {query.name} names row {row}, but the database has rows 0 "
                f"to {len(database) - 1}"
            )
        if count > 1:
            raise InputError(
                f"the query {query.name} lists the image {database[row]} (row {row}) "
                f"{count} times; its lists must not overlap"
            )
    if query.box is not None:
        y0, x0, y1, x1 = query.box
        if not (x0 < x1 and y0 < y1):
            raise InputError(
                f"the query {query.name} has an empty box: x {x0} to {x1}, y {y0} to "
                f"{y1}"
            )
