"""Inliers of pairs of images on disk, so that work that was killed goes on."""

import logging
import secrets
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Int, Int32

from jaxsim.core.files import atomic_write

FORMAT = 1
UNKNOWN = -1
_SAVE_EVERY_S = 10.0
_NAME_CHARACTERS = 32
_TYPE = np.dtype([("pair", f"S{2 * _NAME_CHARACTERS}"), ("count", "<i4")])


class PairCounts:
    """Counts by the contents of both images, in blocks that are each whole or absent.

    A block is written every few seconds, as a file of its own. A new version of a
    collection finds what is known of the contents that stayed.

    Args:
      folder: where the blocks are; need not exist.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._new: list[np.ndarray] = []
        self._saved_s = time.monotonic()
        found = map(_read, sorted(folder.glob("*.npy")))
        blocks = [block for block in found if block is not None]
        rows = np.concatenate([np.zeros(0, _TYPE), *blocks])
        self._known = rows[np.argsort(rows["pair"], kind="stable")]

    def of(self, wanted: np.ndarray) -> Int32[np.ndarray, " P"]:
        """Returns what the blocks on disk say of pairs; -1 of those that are new.

        Args:
          wanted: bytes [P], see `pair_keys`.
        """
        found = np.full(len(wanted), UNKNOWN, np.int32)
        if len(self._known):
            at = np.searchsorted(self._known["pair"], wanted)
            at = np.minimum(at, len(self._known) - 1)
            same = self._known["pair"][at] == wanted
            found[same] = self._known["count"][at[same]]
        return found

    def put(self, keys: np.ndarray, counts: Int[np.ndarray, " P"]) -> None:
        """Adds pairs, and now and then writes those that are not written yet.

        Args:
          keys: bytes [P], see `pair_keys`.
          counts: int [P].
        """
        rows = np.zeros(len(keys), _TYPE)
        rows["pair"], rows["count"] = keys, counts
        self._new.append(rows)
        if time.monotonic() - self._saved_s > _SAVE_EVERY_S:
            self.save()

    def save(self) -> None:
        """Writes what is not written yet, as one block.

        Raises:
          InputError: the disk is full or the folder cannot be written.
        """
        if self._new:
            # Two processes that verify the same pairs do not overwrite each other.
            path = self._folder / f"{secrets.token_hex(8)}.npy"
            with atomic_write(path) as file:
                np.save(file, np.concatenate(self._new))
            self._new = []
        self._saved_s = time.monotonic()


def pair_keys(pairs: Int[np.ndarray, "P 2"], contents: Sequence[str]) -> np.ndarray:
    """Returns what names pairs in `PairCounts`: bytes [P], both contents in a row.

    All contents are converted for it, however few pairs there are.

    Args:
      pairs: int [P, 2], rows of images.
      contents: of the images, 32 hex digits each.
    """
    names = np.array(contents, f"S{_NAME_CHARACTERS}")
    return np.strings.add(names[pairs[:, 0]], names[pairs[:, 1]])


def _read(path: Path) -> np.ndarray | None:
    try:
        rows = np.load(path, allow_pickle=False)
        if rows.dtype != _TYPE or rows.ndim != 1:
            raise ValueError(f"it holds {rows.dtype}")
    except (OSError, ValueError, EOFError) as error:
        logging.getLogger(__name__).warning(
            "%s is damaged (%s); its pairs are verified again", path, error
        )
        return None
    return rows
