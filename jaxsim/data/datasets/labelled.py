"""Any labelled images (a folder, a manifest, a TFDS data set) as a retrieval set."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from jaxsim.core.errors import InputError
from jaxsim.data.image_folder import image_folder
from jaxsim.data.records import Record, RetrievalSet


def folder(root: Path) -> list[RetrievalSet]:
    """Returns the one set of a folder whose subfolders are labels.

    With subfolders train/ and test/, each of them holding labels, the test images
    query the training images; otherwise each image queries all the others.

    Args:
      root: the folder.

    Raises:
      InputError: there are no images, or no label has two.
    """
    records = image_folder(root, splits=True).records
    if {"train", "test"} <= {record.split for record in records}:
        return [query_index(records, name="test")]
    return [leave_one_out(image_folder(root).records, name="folder")]


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
