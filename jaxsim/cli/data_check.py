"""Find what would harm training or measuring in a collection of images.

Counts images and labels. Lists labels with fewer than two images, files that cannot be
used and copies (the same content under two names). If there are splits such as train
and test, lists labels that train lacks (no classifier can name those) and near
duplicates: images of one split that look like an image of another. What is found is no
error: the exit code stays 0.

SOURCE is a folder (subfolders are labels; if it has both train/ and test/, those are
splits), a .csv manifest with a column "path" and perhaps "label" and "split", or a
prepared TFDS data set as tfds:NAME:SPLIT.

examples:
  jaxsim data check ~/LabelledPhotos
  jaxsim data check shop.csv --json check.json
  jaxsim data check shop.csv --threshold 0.9
"""

import argparse
from pathlib import Path

MOST_LINES = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the action's options."""
    from jaxsim.cli.options import json_file

    parser.add_argument("source", type=Path, metavar="SOURCE", help="what to check")
    parser.add_argument(
        "--threshold",
        type=float,
        default=0.95,
        help="least cosine similarity of near duplicates (default 0.95; copies "
        "that were cropped or scaled strongly reach only 0.9, as do some different "
        "photos of one thing)",
    )
    parser.add_argument(
        "--json", type=json_file, metavar="FILE", help="write all of it; - prints"
    )


def run(options: argparse.Namespace) -> None:
    """Checks and prints what was found."""
    from jaxsim.cli.output import write_json
    from jaxsim.cli.progress import progress_bar
    from jaxsim.experiment.data_check import check_data

    check = check_data(options.source, threshold=options.threshold, bars=progress_bar)
    if options.json:
        settings = {"source": str(options.source), "threshold": options.threshold}
        write_json(options.json, {"settings": settings, **check.to_json()})
    if options.json != "-":
        _show(check, options.threshold)


def _show(check, threshold: float) -> None:
    from jaxsim.cli.output import printable, table

    print(
        f"{len(check.records)} images, {len(check.usable)} of them usable, "
        f"{check.num_labels} labels\n"
    )
    header = ["split", "images", "labels", "unlabelled", "labels with < 2 images"]
    rows = [
        [
            printable(split.name or "-"),
            *map(str, (split.images, split.labels, split.unlabelled)),
            str(len(split.lonely)),
        ]
        for split in check.splits
    ]
    print(table(header, rows), end="\n\n")
    for what, counts in (
        ("longest side, px", check.longest_sides),
        ("aspect", check.aspects),
    ):
        rows = [[name, str(count)] for name, count in counts.items() if count]
        print(table([what, "images"], rows), end="\n\n")
    several = len(check.splits) > 1
    for split in check.splits:
        inside = f" in {printable(split.name or '-')}" * several
        _list(f"labels with fewer than two images{inside}", split.lonely)
        if split.untrained:
            _list(f"labels{inside} that train lacks", split.untrained)
    _list(
        "files that cannot be used",
        [f"{reject.name}: {reject.reason}" for reject in check.rejects],
    )
    _list("groups of copies", [_copies(check, group) for group in check.copies])
    if several:
        _list(
            f"near duplicates across splits, similarity {threshold:g} or more",
            [_near(check, near) for near in check.near_duplicates],
        )


def _copies(check, group) -> str:
    remarks = ["across splits"] * group.across_splits
    remarks += ["of different labels"] * group.labels_differ
    names = " = ".join(check.records[i].name for i in group.ids)
    return f"{names} ({', '.join(remarks)})" if remarks else names


def _near(check, near) -> str:
    image, like = check.records[near.id], check.records[near.like]
    remark = " (of different labels)" * (image.label != like.label)
    return f"{near.score:.3f}  {image.name} ~ {like.name}{remark}"


def _list(what: str, lines) -> None:
    """Prints how many there are, and the first of them."""
    from jaxsim.cli.output import printable

    print(f"{what}: {len(lines) or 'none'}")
    for line in lines[:MOST_LINES]:
        print(f"  {printable(line)}")
    if len(lines) > MOST_LINES:
        print(f"  … and {len(lines) - MOST_LINES} more; --json FILE lists all")
