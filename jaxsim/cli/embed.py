"""Write descriptors for other programs to use.

The .npz file holds "vectors" (float32 [N, D]), "names", "labels" and the model's
"fingerprint"; the Parquet file has columns "name", "label" and "vector". Vectors have
length 1, but for models trained to be compared by distance. Images that cannot be used
get no row; they are listed in OUT.rejects.csv.

examples:
  jaxsim embed ~/Photos --out photos.npz
  jaxsim embed shop.csv --out shop.parquet --model backbone=lite0,pooling=gem
  jaxsim embed ~/Photos --out photos.npz --model runs/photos/model
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    from jaxsim.cli.options import add_model, output_file

    parser.add_argument(
        "photos", metavar="PHOTOS", help="folder, .csv, tfds:NAME:SPLIT"
    )
    parser.add_argument(
        "--out", required=True, type=output_file, help=".npz or .parquet file"
    )
    add_model(parser)


def run(options: argparse.Namespace) -> None:
    """Embeds and writes the file."""
    import sys

    from jaxsim.cli.options import chosen_model
    from jaxsim.cli.output import skipped
    from jaxsim.cli.progress import progress_bar
    from jaxsim.data.sources import open_source
    from jaxsim.experiment.embedding import embed_images

    records, unfollowed = open_source(options.photos)
    report = embed_images(
        Path(options.out),
        records,
        model=chosen_model(options.model),
        rejects=unfollowed,
        batch_size=options.batch_size,
        bars=progress_bar,
    )
    print(
        f"{options.out}: {report.images} descriptors of {report.dimension} numbers, "
        f"{report.compilations} compilations",
        file=sys.stderr,
    )
    if report.rejects:
        print(skipped(report.rejects, listed_in=report.rejects_file), file=sys.stderr)
