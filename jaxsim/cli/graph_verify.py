"""Join every image of an index with those whose points lie as theirs.

The nearest images by descriptors are candidates; local features are matched and a
homography is sought, as --rerank spatial:K does, and the candidates are ordered by how
many inliers they have, ties by cosine. The lists are kept in
INDEX/graphs/verified.npz, local features and inliers of pairs beside it: a run that was
killed goes on where it was, and after the index has changed only new pairs are
verified.

`jaxsim train configs/gss.py:graph=verified --data INDEX` trains on this graph.

examples:
  jaxsim graph verify photos.index
  jaxsim graph verify photos.index --candidates 50
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the action's options."""
    from jaxsim.cli.options import json_file, positive

    parser.add_argument("index", type=Path, metavar="INDEX", help="folder of the index")
    parser.add_argument(
        "--candidates",
        type=positive,
        default=100,
        metavar="K",
        help="nearest images whose points are looked at",
    )
    parser.add_argument(
        "--json", type=json_file, metavar="FILE", help="write what was made; - prints"
    )


def run(options: argparse.Namespace) -> None:
    """Makes the graph and says where it is."""
    from jaxsim.cli.progress import progress_bar
    from jaxsim.experiment.index_graphs import save_verified

    report = save_verified(
        options.index, candidates=options.candidates, bars=progress_bar
    )
    show(report, options.json)


def show(report, json: str | None) -> None:
    """Prints what was made, and writes it if it was asked for.

    Args:
      report: a `GraphReport`.
      json: the file, "-" for standard output; None writes nothing.
    """
    import dataclasses
    import sys

    from jaxsim.cli.output import printable, write_json

    verified = f", {report.verified} with inliers" if report.verified else ""
    print(
        f"{report.file}: {report.images} images, {report.neighbours} neighbours of "
        f"each{verified}",
        file=sys.stderr,
    )
    if report.unusable:
        name, reason = next(iter(report.unusable.items()))
        print(
            f"{len(report.unusable)} photos cannot be used and match nothing, such as "
            f"{printable(name)} ({reason})",
            file=sys.stderr,
        )
    if json:
        write_json(json, {**dataclasses.asdict(report), "file": str(report.file)})
