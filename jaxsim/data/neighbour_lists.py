"""Lists of neighbours that other programs made, in .npy and CSV files.

Row i lists images most like image i, the best first, by their numbers in the order of
the collection, from 0. An image's own number may stand first, as in published files,
and is passed over. -1 stands for none; rows of a CSV file may also just end. Both are
allowed, and a warning says how many lists are such. Messages count rows as the images
are counted, from 0, and lines of a CSV file from 1.

Source: of the layout: the release of Liu et al. 2019.
"""

import csv
import logging
from pathlib import Path

import numpy as np
from jaxtyping import Int32

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import MISSING_ID

_log = logging.getLogger(__name__)
SUFFIXES = (".npy", ".csv")


def read_neighbour_lists(
    path: Path, *, rows: int, images: int | None = None
) -> Int32[np.ndarray, "M K"]:
    """Reads and checks lists; of each, the image itself is left out.

    Args:
      path: .npy of integers [M, K], or .csv without a header, a line for each list.
      rows: M, how many lists there are.
      images: N, how many images they are of; None if these are whose lists they are.

    Returns:
      int32 [M, K], images, the best first; -1 after the last.

    Raises:
      InputError: the file is missing or damaged, or has another number of lists; an id
        is of no image, comes twice in a list, or is the image's own and not first; no
        list has anything in it.
    """
    if path.suffix not in SUFFIXES:
        raise InputError(
            f"'{path}' is no file of neighbours that can be read; expected one ending "
            f"in {' or '.join(SUFFIXES)}"
        )
    try:
        lists = _read_csv(path) if path.suffix == ".csv" else _read_npy(path)
    except FileNotFoundError:
        raise InputError(f"the neighbours '{path}' do not exist") from None
    except (OSError, ValueError, EOFError) as error:
        raise InputError(
            f"the neighbours '{path}' cannot be read ({error}). Expected whole "
            "numbers, a row for each image"
        ) from error
    if len(lists) != rows:
        raise InputError(
            f"'{path}' has neighbours of {len(lists)} images, and there are {rows}. "
            "Give a row for each image, in the order of the collection"
        )
    _check_ids(lists, rows if images is None else images, path)
    if images is None:
        lists = _without_own(lists, path)
    if not (lists != MISSING_ID).any():
        raise InputError(f"'{path}' names no neighbours, so that there is no graph")
    _tell_shorter(lists, path)
    order = np.argsort(lists == MISSING_ID, axis=1, kind="stable")
    return np.take_along_axis(lists, order, axis=1).astype(np.int32)


def _check_ids(lists: np.ndarray, images: int, path: Path) -> None:
    outside = (lists < MISSING_ID) | (lists >= images)
    if outside.any():
        row, place = np.argwhere(outside)[0].tolist()
        raise InputError(
            f"{_row(path, row)} names the image {lists[row, place]}; there are "
            f"{images}, 0 to {images - 1}, and -1 for none"
        )
    ordered = np.sort(lists, axis=1)
    again = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] != MISSING_ID)
    if again.any():
        row, place = np.argwhere(again)[0].tolist()
        raise InputError(
            f"{_row(path, row)} names the image {ordered[row, place]} twice"
        )


def _without_own(lists: np.ndarray, path: Path) -> np.ndarray:
    own = lists == np.arange(len(lists))[:, None]
    if own[:, 1:].any():
        row = int(np.argwhere(own[:, 1:])[0, 0])
        raise InputError(
            f"{_row(path, row)} names the image itself, {row}, among others; its own "
            "number may stand first only. Are the ids those of this collection?"
        )
    if own.any():
        _log.warning(
            "%d of the %d lists of '%s' begin with the image itself, which is passed "
            "over: its neighbours are those after it",
            own.any(axis=1).sum(),
            len(lists),
            path,
        )
    return np.where(own, MISSING_ID, lists)


def _tell_shorter(lists: np.ndarray, path: Path) -> None:
    """Warns if some lists have fewer neighbours than others."""
    lengths = (lists != MISSING_ID).sum(axis=1)
    shorter = np.flatnonzero(lengths < lengths.max())
    if len(shorter):
        _log.warning(
            "%d of the %d lists of '%s' have fewer than %d neighbours, the first is %s "
            "with %d; they are taken as they are",
            len(shorter),
            len(lists),
            path,
            lengths.max(),
            _row(path, int(shorter[0])),
            lengths[shorter[0]],
        )


def _row(path: Path, row: int) -> str:
    line = f" (line {row + 1})" if path.suffix == ".csv" else ""
    return f"row {row}{line} of '{path}'"


def _read_npy(path: Path) -> np.ndarray:
    lists = np.load(path, allow_pickle=False)
    if lists.ndim != 2 or lists.dtype.kind not in "iu":
        raise ValueError(f"it holds {lists.dtype} of shape {lists.shape}")
    if lists.size and lists.max() > np.iinfo(np.int64).max:
        raise ValueError(f"it holds {lists.max()}, which is no row of a collection")
    return lists.astype(np.int64)


def _read_csv(path: Path) -> np.ndarray:
    with open(path, newline="") as file:
        lines = [_numbers(row, line) for row, line in enumerate(csv.reader(file))]
    width = max(map(len, lines), default=0)
    lists = np.full((len(lines), max(width, 1)), MISSING_ID, np.int64)
    for row, line in enumerate(lines):
        lists[row, : len(line)] = line
    return lists


def _numbers(row: int, words: list[str]) -> list[int]:
    try:
        found = [int(word) for word in words if word.strip()]
    except ValueError as error:
        raise ValueError(f"row {row} (line {row + 1}): {error}") from error
    largest = np.iinfo(np.int64).max
    for number in found:
        if abs(number) > largest:
            raise ValueError(
                f"row {row} (line {row + 1}): {number} is too large for an image"
            )
    return found
