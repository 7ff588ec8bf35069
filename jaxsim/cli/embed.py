"""Write descriptors for other programs to use.

The .npz file holds "vectors" (float32 [N, D], rows of length 1), "names", "labels" and
the model's "fingerprint"; the Parquet file has columns "name", "label" and "vector".
Images that cannot be used get no row.

examples:
  jaxsim embed ~/Photos --out photos.npz
  jaxsim embed shop.csv --out shop.parquet --model backbone=lite0,pooling=gem
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    from jaxsim.cli.options import add_model

    parser.add_argument(
        "photos", metavar="PHOTOS", help="folder, .csv, tfds:NAME:SPLIT"
    )
    parser.add_argument("--out", required=True, type=Path, help=".npz or .parquet file")
    add_model(parser)


def run(options: argparse.Namespace) -> None:
    """Embeds and writes the file."""
    import sys

    from jaxsim.cli.options import model_config
    from jaxsim.cli.output import printable
    from jaxsim.cli.progress import progress_bar
    from jaxsim.data.sources import open_source
    from jaxsim.experiment.build import build_model
    from jaxsim.experiment.indexing import default_model, fit_sample
    from jaxsim.pipeline.descriptor_file import check_suffix, write_descriptors
    from jaxsim.pipeline.embed import CompiledShapes, Embedder

    check_suffix(options.out)
    records, rejects = open_source(options.photos)
    config = model_config(options.model) or default_model(len(records))
    shapes: CompiledShapes = set()
    model = build_model(
        config, fit_sample(records), bars=progress_bar, compiled_shapes=shapes
    )
    embedder = Embedder(model, batch_size=options.batch_size, compiled_shapes=shapes)
    with progress_bar("embed", len(records)) as progress:
        embedding = embedder.embed(records, progress)
    write_descriptors(options.out, embedding, records, fingerprint=model.fingerprint)
    for reject in [*rejects, *embedding.rejects]:
        print(f"skipped {printable(reject.name)}: {reject.reason}", file=sys.stderr)
    print(
        f"{options.out}: {embedding.found.sum()} descriptors of {model.dimension} "
        f"numbers, {len(shapes)} compilations",
        file=sys.stderr,
    )
