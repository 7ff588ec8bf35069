"""Decides what a changed folder asks of its index."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64

from jaxsim.core.errors import InputError
from jaxsim.index.images import ImageFile
from jaxsim.index.manifest import Manifest
from jaxsim.index.storage import IndexStore


@dataclass(frozen=True)
class Plan:
    """What to do so that an index matches a folder.

    Attributes:
      manifest: version of the index the plan is for.
      kept: row numbers of unchanged files.
      removed: row numbers of files that are gone, changed or touched.
      found: (file, content hash) of the files that need a new row: new, changed,
        renamed, relabelled, or touched without a change.
      to_embed: (content hash, a file that has it) whose vector is not known yet; one
        per content, however many files hold it.
      rejected: (file, content hash) of the files whose content is known to hold no
        usable image.
      unreadable: (file, reason) of files that could not be read.
    """

    manifest: Manifest
    kept: Int64[np.ndarray, " K"]
    removed: Int64[np.ndarray, " M"]
    found: tuple[tuple[ImageFile, str], ...]
    to_embed: tuple[tuple[str, ImageFile], ...]
    rejected: tuple[tuple[ImageFile, str], ...]
    unreadable: tuple[tuple[ImageFile, str], ...]

    @property
    def changes(self) -> bool:
        """Whether the index would differ afterwards."""
        return bool(len(self.removed) or self.found)


def plan_update(
    store: IndexStore,
    files: Iterable[ImageFile],
    hash_file: Callable[[ImageFile], str],
    embedded: Collection[str] = (),
    rejected: Collection[str] = (),
) -> Plan:
    """Compares a folder with an index.

    Files whose name, size, time and label are those of a row are not read. Others are
    hashed, and a vector of the same content is used again whatever its name was.

    Args:
      store: the index as it is.
      files: the folder as it is; names do not repeat.
      hash_file: reads a file and returns its content hash; OSError makes the file
        unreadable.
      embedded: content hashes whose vectors are known beyond those of the store.
      rejected: content hashes that need not be tried again.

    Raises:
      InputError: a name is given twice.
    """
    live = {store.rows[row].file: row for row in store.live_ids.tolist()}
    known = {row.content for row in store.rows} | set(embedded)
    names: set[str] = set()
    kept, found, refused, unreadable = [], [], [], []
    to_embed: dict[str, ImageFile] = {}
    for file in files:
        if file.name in names:
            raise InputError(f"the file {file.name!r} is listed twice")
        names.add(file.name)
        row = live.pop(file, None)
        if row is not None:
            kept.append(row)
            continue
        try:
            content = hash_file(file)
        except OSError as error:
            unreadable.append((file, error.strerror or str(error)))
            continue
        if content in rejected and content not in known:
            refused.append((file, content))
            continue
        found.append((file, content))
        if content not in known:
            to_embed.setdefault(content, file)
    return Plan(
        manifest=store.manifest,
        kept=np.array(sorted(kept), np.int64),
        removed=np.array(sorted(live.values()), np.int64),
        found=tuple(found),
        to_embed=tuple(to_embed.items()),
        rejected=tuple(refused),
        unreadable=tuple(unreadable),
    )
