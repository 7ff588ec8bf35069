"""Keep the photos of each label that show one thing, and find it in them.

The points of every two photos of a label are compared: do they match, and lie alike? Of
the photos that agree, directly or by way of others, the largest group is kept, with a
box around what they have in common. All others are dropped: photos of something else,
of another side, or too blurred to tell. No file of yours is changed.

It is made for labels of one thing each (a building, a product, a book cover). Photos of
a kind of things (cats, apples) do not agree. A label in which no two photos do, or with
a single photo, is dropped whole and reported; --unmatched keep keeps it as it is.

SOURCE is a folder (subfolders are labels; if it has both train/ and test/, those are
splits, and a label is cleaned across them), a .csv manifest, or a prepared TFDS data
set as tfds:NAME:SPLIT.

It writes MANIFEST.csv, a list with paths, labels, splits and boxes that other commands
take in place of SOURCE, and MANIFEST.dropped.csv, what was left out and why. Paths are
relative to the list, so it must be in the photos' folder or above. Kept photos of a
TFDS data set are written to MANIFEST.images/.

Points (about 140 KB a photo) and verified pairs are kept in the cache folder: run it
again to go on after an interruption, or to try another --min-inliers without verifying
any pair again.

examples:
  jaxsim data clean ~/Landmarks --out ~/Landmarks/clean.csv --html clean.html
  jaxsim data clean shop.csv --out clean.csv --min-inliers 12 --unmatched keep
  jaxsim train configs/folder_triplet.py --data clean.csv --out runs/clean
"""

import argparse
from pathlib import Path

MOST_LINES = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the action's options."""
    from jaxsim.cli.options import html_file, json_file, positive

    parser.add_argument("source", type=Path, metavar="SOURCE", help="what to clean")
    parser.add_argument(
        "--out",
        type=_manifest,
        required=True,
        metavar="MANIFEST.csv",
        help="the list of what is kept",
    )
    parser.add_argument(
        "--label-column", metavar="NAME", help="of a .csv manifest (default label)"
    )
    parser.add_argument(
        "--min-inliers",
        type=positive,
        default=20,
        metavar="N",
        help="points that two photos must have in common to agree (default 20; unlike "
        "photos reach 10 now and then, so 12 keeps more and is still fairly safe)",
    )
    parser.add_argument(
        "--ratio",
        type=float,
        default=0.8,
        help="a point matches if it is nearer than this times the second nearest "
        "(default 0.8; lower is stricter)",
    )
    parser.add_argument(
        "--shortlist",
        type=positive,
        default=50,
        metavar="N",
        help="in labels with more photos than this, compare each with the N whose "
        "descriptors are most like its own instead of all (default 50)",
    )
    parser.add_argument(
        "--unmatched",
        choices=("drop", "keep"),
        default="drop",
        help="what happens to labels in which no two photos agree (default drop)",
    )
    parser.add_argument(
        "--html", type=html_file, metavar="FILE", help="write a page with pictures"
    )
    parser.add_argument(
        "--json", type=json_file, metavar="FILE", help="write numbers; - prints"
    )


def run(options: argparse.Namespace) -> None:
    """Cleans, writes the lists, and prints what happened."""
    from jaxsim.cli.progress import progress_bar
    from jaxsim.experiment.cleaned_files import check_manifest, write_cleaned
    from jaxsim.experiment.cleaning import Cleaning
    from jaxsim.experiment.data_clean import clean_data

    cleaning = Cleaning(
        min_inliers=options.min_inliers,
        ratio=options.ratio,
        shortlist=options.shortlist,
        unmatched=options.unmatched,
    )
    cleaned = clean_data(
        options.source,
        cleaning=cleaning,
        label_column=options.label_column,
        check=lambda records: check_manifest(options.out, options.source, records),
        bars=progress_bar,
    )
    try:
        write_cleaned(cleaned, options.out)
    finally:
        _tell(cleaned, options)


def _tell(cleaned, options: argparse.Namespace) -> None:
    from jaxsim.cli.output import write_json
    from jaxsim.report.cleaning_page import cleaning_page
    from jaxsim.report.page import write_page

    settings = {
        "source": str(options.source),
        "min_inliers": options.min_inliers,
        "ratio": options.ratio,
        "shortlist": options.shortlist,
        "unmatched": options.unmatched,
    }
    if options.html:
        info = {name.replace("_", " "): str(value) for name, value in settings.items()}
        title = f"Cleaning: {options.source}"
        write_page(options.html, cleaning_page(cleaned, title=title, info=info))
    if options.json:
        write_json(options.json, {"settings": settings, **cleaned.to_json()})
    if options.json != "-":
        _show(cleaned)


def _manifest(text: str) -> Path:
    from jaxsim.cli.options import output_file

    if Path(text).suffix.lower() != ".csv":
        raise argparse.ArgumentTypeError(
            f"'{text}' does not end in .csv, by which other commands know a list"
        )
    return Path(output_file(text))


def _show(cleaned) -> None:
    from jaxsim.cli.output import printable, table

    kept, dropped = len(cleaned.kept), len(cleaned.dropped)
    print(f"{kept} images kept, {dropped} dropped, {len(cleaned.labels)} labels\n")
    rows = [
        [
            printable(label.name),
            str(len(label.kept)),
            str(len(label.dropped)),
            str(label.most_inliers),
        ]
        for label in cleaned.labels[:MOST_LINES]
    ]
    print(table(["label", "kept", "dropped", "most inliers"], rows))
    if len(cleaned.labels) > MOST_LINES:
        rest = len(cleaned.labels) - MOST_LINES
        print(f"… and {rest} more; --html FILE and --json FILE list all")
    unmatched = [label.name for label in cleaned.labels if not label.matched]
    print(f"\nlabels in which no two images agree: {len(unmatched) or 'none'}")
    for name in unmatched[:MOST_LINES]:
        print(f"  {printable(name)}")
    if len(unmatched) > MOST_LINES:
        print(f"  … and {len(unmatched) - MOST_LINES} more")
