"""Grocery Store: shop photos of fruit, vegetables and cartons.

Expected files: `<root>/images.csv` with the columns split (train, val, test), path and
fine_class (0 to 80), and the photos at those paths below the root.

Source: Klasson, Zhang & Kjellström 2019.
"""

from pathlib import Path

from jaxsim.core.errors import InputError
from jaxsim.data.datasets.files import data_folder, listed_photos
from jaxsim.data.records import Record, RetrievalSet


def load(
    root: Path, *, split: str | None = "test", min_class: int = 41
) -> list[RetrievalSet]:
    """Returns two sets whose images query each other: one split, and unseen classes.

    Args:
      root: folder that holds images.csv.
      split: the first set has all classes of this split and its name; None takes all
        splits and names the set "all".
      min_class: the second set, "unseen", has the classes from this one on, of all
        splits: those that training on `train(root, max_class=min_class)` never saw.

    Raises:
      InputError: files are missing, or a set would be empty.
    """
    records = listed_photos(_folder(root) / "images.csv", label_column="fine_class")
    chosen = [record for record in records if split in (None, record.split)]
    _refuse_empty(chosen, root, f"split '{split}'")
    return [
        RetrievalSet(name=split or "all", database=chosen),
        *unseen(root, min_class=min_class),
    ]


def one_split(root: Path, *, split: str = "test") -> list[RetrievalSet]:
    """Returns one split alone, named by it, whose images query each other.

    Args:
      root: folder that holds images.csv.
      split: of the images.

    Raises:
      InputError: files are missing, or the set would be empty.
    """
    return load(root, split=split)[:1]


def unseen(root: Path, *, min_class: int = 41) -> list[RetrievalSet]:
    """Returns the set "unseen" alone, whose images query each other.

    Args:
      root: folder that holds images.csv.
      min_class: the first of its classes; it has the images of all splits.

    Raises:
      InputError: files are missing, or the set would be empty.
    """
    records = listed_photos(_folder(root) / "images.csv", label_column="fine_class")
    chosen = [record for record in records if _class(record) >= min_class]
    _refuse_empty(chosen, root, f"classes from {min_class} on")
    return [RetrievalSet(name="unseen", database=chosen)]


def seen_and_unseen(
    root: Path, *, split: str = "test", min_class: int = 41, most: int | None = None
) -> list[RetrievalSet]:
    """Returns the sets "seen" and "unseen" of one split, whose images query each other.

    Args:
      root: folder that holds images.csv.
      split: of the images.
      min_class: the first of the unseen classes.
      most: images of each set, evenly spaced; None takes all.

    Raises:
      InputError: files are missing, or a set would be empty.
    """
    records = listed_photos(_folder(root) / "images.csv", label_column="fine_class")
    sets = []
    for name, new in (("seen", False), ("unseen", True)):
        chosen = [
            record
            for record in records
            if record.split == split and (_class(record) >= min_class) == new
        ]
        _refuse_empty(chosen, root, f"split '{split}' and {name} classes")
        step = 1 if most is None else -(-len(chosen) // most)
        sets.append(RetrievalSet(name=name, database=chosen[::step]))
    return sets


def train(
    root: Path, *, max_class: int = 41, split: str | None = "train"
) -> list[Record]:
    """Returns the images to train on.

    Args:
      root: folder that holds images.csv.
      max_class: only classes below this one.
      split: only this split; None takes all.

    Raises:
      InputError: files are missing, or no image is left.
    """
    records = listed_photos(_folder(root) / "images.csv", label_column="fine_class")
    chosen = [
        record
        for record in records
        if _class(record) < max_class and split in (None, record.split)
    ]
    _refuse_empty(chosen, root, f"split '{split}' and classes below {max_class}")
    return chosen


def _folder(root: Path) -> Path:
    return data_folder(root, holds="images.csv and the photos it lists")


def _class(record: Record) -> int:
    return int(record.label or 0)


def _refuse_empty(records: list[Record], root: Path, what: str) -> None:
    if not records:
        raise InputError(
            f"{Path(root) / 'images.csv'} lists no image of {what}; the splits are "
            "train, val and test, the classes 0 to 80"
        )
