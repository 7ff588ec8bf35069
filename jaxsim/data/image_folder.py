"""A folder of images as records."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from jaxsim.core.errors import InputError
from jaxsim.data.records import Record
from jaxsim.data.rejects import Reject

# HEIF is listed although Pillow cannot read it: a phone's photos should be reported
# as rejects, not overlooked.
IMAGE_SUFFIXES = frozenset(
    ".avif .bmp .gif .heic .heif .jfif .jp2 .jpe .jpeg .jpg .pbm .pgm .png .ppm .tif "
    ".tiff .webp".split()
)
SPLIT_NAMES = frozenset(("train", "val", "valid", "validation", "test"))


class FolderListing(NamedTuple):
    """What a walk found.

    Attributes:
      records: the images, sorted by name.
      rejects: paths that could not be followed, sorted by name.
    """

    records: list[Record]
    rejects: list[Reject]


def image_folder(root: str | os.PathLike[str]) -> FolderListing:
    """Lists the images below a folder.

    An image's label is the folder it lies in, relative to the root ("shoes" or
    "shoes/red"); images that lie directly in the root have none. If there are images
    below both train/ and test/, these and val/, valid/ and validation/ are splits and
    no part of the label: "train/shoes" and "test/shoes" show one thing. Symbolic links
    are followed, each folder is visited once, hidden files and files without an image's
    suffix are passed over. Whether a file really is an image shows when it is decoded.

    Args:
      root: the folder.

    Returns:
      Records and rejects.

    Raises:
      InputError: the root is no readable folder, or holds no images.
    """
    root = Path(root)
    try:
        os.scandir(root).close()
    except OSError as error:
        raise InputError(
            f"cannot list the image folder {root}: {error.strerror}. Give a folder "
            "that exists and is readable."
        ) from error
    names: list[str] = []
    rejects: list[Reject] = []
    for found in _walk(root):
        if isinstance(found, Reject):
            rejects.append(found)
        else:
            names.append(found)
    if not names:
        raise InputError(
            f"no images in {root}: looked for files ending in "
            f"{' '.join(sorted(IMAGE_SUFFIXES))} in it and its subfolders"
            + (f"; {len(rejects)} paths were skipped" * bool(rejects))
        )
    names.sort()
    rejects.sort(key=lambda reject: reject.name)
    first = {name.partition("/")[0] for name in names if "/" in name}
    splits = SPLIT_NAMES if {"train", "test"} <= first else frozenset()
    return FolderListing([_record(root, name, splits) for name in names], rejects)


def _record(root: Path, name: str, splits: frozenset[str]) -> Record:
    folders = name.split("/")[:-1]
    split = folders.pop(0) if folders and folders[0] in splits else None
    return Record(
        name=name, content=root / name, label="/".join(folders) or None, split=split
    )


def _walk(root: Path) -> Iterator[str | Reject]:
    """Yields names of image files, and rejects, in no particular order.

    Linked folders wait until all real ones are visited, so that a photo's name does not
    depend on a link that leads to its folder.
    """
    visited: set[tuple[int, int]] = set()
    folders, linked = [""], []
    while folders or linked:
        folder = folders.pop() if folders else linked.pop()
        try:
            status = os.stat(root / folder)
            if (status.st_dev, status.st_ino) in visited:
                yield Reject(name=folder, reason="link to a folder already visited")
                continue
            visited.add((status.st_dev, status.st_ino))
            with os.scandir(root / folder) as entries:
                # Reverse order, because `pop` takes the last.
                ordered = sorted(entries, key=lambda entry: entry.name, reverse=True)
        except OSError as error:
            yield Reject(name=folder, reason=f"cannot be listed: {error.strerror}")
            continue
        for entry in ordered:
            name = f"{folder}/{entry.name}" if folder else entry.name
            if entry.name.startswith("."):
                continue
            kind = _kind(entry)
            if kind == "folder":
                (linked if entry.is_symlink() else folders).append(name)
            elif os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES:
                yield name if kind == "file" else Reject(name=name, reason=kind)
            elif kind.startswith("link"):
                yield Reject(name=name, reason=kind)


def _kind(entry: os.DirEntry[str]) -> str:
    """Returns "folder", "file", or the reason why it is neither."""
    try:
        if entry.is_dir():
            return "folder"
        if entry.is_file():
            return "file"
    except OSError as error:
        return f"link that cannot be followed: {error.strerror}"
    return "link that leads nowhere" if entry.is_symlink() else "not a regular file"
