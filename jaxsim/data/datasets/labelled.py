"""Any labelled images (a folder, a manifest, a TFDS data set) as a retrieval set."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from jaxsim.core.errors import InputError
from jaxsim.data.csv_manifest import csv_manifest
from jaxsim.data.records import Record, RetrievalSet
from jaxsim.data.rejects import Reject
from jaxsim.data.sources import open_source


def load(root: Path, *, label_column: str | None = None) -> list[RetrievalSet]:
    """Returns the one set of a labelled collection.

    With both a train and a test part (subfolders train/ and test/ that hold the
    labels' folders, or splits of a manifest) the set is that of `held_out`. Otherwise
    each image queries all the others, and it is called "folder".

    Args:
      root: a folder whose subfolders are labels, a .csv manifest, or
        "tfds:NAME_OR_FOLDER:SPLIT".
      label_column: of a manifest; "label" if None.

    Raises:
      InputError: there are no images, or no label has two.
    """
    records, rejects = open_labelled(root, label_column=label_column)
    found = (
        _test_set(records)
        if _has_parts(records)
        else leave_one_out(records, name="folder")
    )
    return [replace(found, rejects=rejects)]


def held_out(
    root: Path, *, label_column: str | None = None, cropped: bool = True
) -> list[RetrievalSet]:
    """Returns the set "test" if there are a train and a test part, and else none.

    The test images query the training images; if the training images have none of
    their labels, the test images query each other.

    Args:
      root: as for `load`.
      label_column: as for `load`.
      cropped: whether images that have a box are cropped to it.

    Raises:
      InputError: there are no images, or no test image can find another.
    """
    records, rejects = open_labelled(root, label_column=label_column)
    if not _has_parts(records):
        return []
    if not cropped:
        records = [replace(record, box=None) for record in records]
    return [replace(_test_set(records), rejects=rejects)]


def one_query_a_label(
    root: Path, *, label_column: str | None = None
) -> list[RetrievalSet]:
    """Returns the one set in which the first image of each label finds the others.

    The query is ignored in its own ranking. Images of labels with one image, or without
    a label, are only ever wrong answers.

    Args:
      root: as for `load`; its parts, if it has some, are one collection.
      label_column: as for `load`.

    Raises:
      InputError: there are no images, or no label has two.
    """
    records, rejects = open_labelled(root, label_column=label_column)
    rows_of: dict[str, list[int]] = {}
    for row, record in enumerate(records):
        if record.label is not None:
            rows_of.setdefault(record.label, []).append(row)
    groups = [rows for rows in rows_of.values() if len(rows) > 1]
    if not groups:
        raise InputError(
            f"no label of '{root}' has two images, so no image can find another. "
            "Put the images of each label in a folder of its name"
        )
    return [
        RetrievalSet(
            name="one_query_a_label",
            database=records,
            queries=[records[rows[0]] for rows in groups],
            positives=[rows[1:] for rows in groups],
            ignored=[rows[:1] for rows in groups],
            rejects=rejects,
        )
    ]


def training_images(root: Path, *, label_column: str | None = None) -> list[Record]:
    """Returns the images to train on, or to fit whitening on.

    They are the training images where `load` finds a train and a test part, and else
    the whole collection: what is trained has then seen the images that are ranked.

    Args:
      root: as for `load`.
      label_column: as for `load`.

    Raises:
      InputError: there are no images.
    """
    records, _ = open_labelled(root, label_column=label_column)
    return _split(records, "train") if _has_parts(records) else records


def boxed_training_images(
    root: Path, *, label_column: str | None = None
) -> list[Record]:
    """Returns those of `training_images` that have a box, to learn boxes from.

    Args:
      root: as for `load`.
      label_column: as for `load`.

    Raises:
      InputError: there are no images, or none of them has a box.
    """
    records = training_images(root, label_column=label_column)
    boxed = [record for record in records if record.box is not None]
    if not boxed:
        raise InputError(
            f"none of the {len(records)} images of '{root}' has a box, and boxes are "
            "what is to be learned. Give a .csv manifest with the columns path, label, "
            "y0, x0, y1, x1, such as `jaxsim data clean` writes"
        )
    return boxed


def open_labelled(
    root: Path, *, label_column: str | None = None
) -> tuple[list[Record], list[Reject]]:
    """Returns the records of a collection, and paths that could not be followed.

    Folders are read as by `jaxsim.data.image_folder.image_folder`.

    Args:
      root: as for `load`.
      label_column: as for `load`.

    Raises:
      InputError: there is no such thing, or it holds no images; or a column is named
        for what is no manifest.
    """
    path = root.expanduser()
    if label_column is not None and path.suffix.lower() != ".csv":
        raise InputError(
            f"label_column={label_column} is for a .csv manifest, not for '{root}', "
            "whose labels are known without it. Leave label_column away"
        )
    if label_column is not None:
        return csv_manifest(path, label_column=label_column), []
    records, rejects = open_source(str(root))
    # Records of a TFDS split are read from its files every time they are asked for.
    return list(records), rejects


def _test_set(records: Sequence[Record]) -> RetrievalSet:
    trained_on = {record.label for record in _split(records, "train")} - {None}
    if trained_on.isdisjoint(record.label for record in _split(records, "test")):
        return leave_one_out(records, name="test", split="test")
    return query_index(records, name="test")


def _has_parts(records: Sequence[Record]) -> bool:
    return {"train", "test"} <= {record.split for record in records}


def leave_one_out(
    records: Sequence[Record], *, name: str, split: str | None = None
) -> RetrievalSet:
    """Returns a set in which each image queries all the others.

    Args:
      records: labelled images; one without a label is only ever a wrong answer.
      name: the set's name.
      split: only images of this split; None takes all.

    Raises:
      InputError: no label has two images, or a name repeats.
    """
    chosen = records if split is None else _split(records, split)
    _refuse_repeats(chosen, name)
    counts = Counter(record.label for record in chosen if record.label is not None)
    if not any(count > 1 for count in counts.values()):
        raise InputError(
            f"'{name}' has {len(chosen)} images and {len(counts)} labels, and no label "
            "has two images, so no image can find another. Put at least two images of "
            "one thing in a folder of its label, or name labels in a manifest."
        )
    return RetrievalSet(name=name, database=chosen)


def query_index(
    records: Sequence[Record],
    *,
    name: str,
    query_split: str = "test",
    index_split: str = "train",
) -> RetrievalSet:
    """Returns a set in which one split queries another, such as test against train.

    Args:
      records: labelled images with splits.
      name: the set's name.
      query_split: the images that ask.
      index_split: the images that are ranked.

    Raises:
      InputError: a split is absent, no query shares a label with the ranked images, or
        a name repeats.
    """
    queries, database = _split(records, query_split), _split(records, index_split)
    _refuse_repeats([*queries, *database], name)
    labels = {record.label for record in database} - {None}
    if not any(record.label in labels for record in queries):
        raise InputError(
            f"no image of the split '{query_split}' of '{name}' shares a label with an "
            f"image of '{index_split}', so no query has a right answer. Use the same "
            "label folders in both."
        )
    return RetrievalSet(name=name, database=database, queries=queries)


def _split(records: Sequence[Record], split: str) -> list[Record]:
    chosen = [record for record in records if record.split == split]
    if not chosen:
        splits = sorted({str(record.split) for record in records})
        raise InputError(
            f"there are no images of the split '{split}'; the splits found are "
            f"{', '.join(splits) or 'none'}. Name one of them, or put the images in a "
            f"folder '{split}'."
        )
    return chosen


def _refuse_repeats(records: Sequence[Record], name: str) -> None:
    counts = Counter(record.name for record in records)
    if repeated := [image for image, count in counts.items() if count > 1]:
        raise InputError(
            f"{len(repeated)} images of '{name}' are listed more than once, the first "
            f"is '{repeated[0]}'; a query would find itself. List each image once."
        )
