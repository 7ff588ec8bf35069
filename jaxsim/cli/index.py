"""Embed photos and make them searchable, or bring an index up to date.

Run again, it embeds only new and changed files and drops removed ones. Interrupted at
any moment, the index stays as it was, and the next run goes on from there. Files that
cannot be used are listed with reasons in rejects.csv inside the index.

PHOTOS is a folder, a .csv manifest with a column "path", or a prepared TFDS data set as
tfds:NAME:SPLIT. Subfolders become labels; where there are a train/ and a test/, these
and val/ are parts of one collection, and the folders in them are the labels.

--kind chooses how the index is searched; what it trains is kept beside the vectors, and
later runs encode new photos with it until --retrain or another --kind:

  exact           every vector, exactly; what a new index has if nothing is asked for
  pq:M            M bytes a photo, every one looked at; M divides the dimension, 512
  opq:M           the same after a rotation that is learned too; trains longer
  ivfpq:LISTS,M   M bytes a photo in LISTS lists, of which a search looks into a few
  faiss:FACTORY   an index of faiss (extra `faiss`), such as faiss:IVF1024,PQ64

With --store milvus the images are also put into a collection of Milvus, embedded in
this process or on a server. PHOTOS may then be a .parquet file or folder of parts that
`jaxsim embed` wrote, which needs no --out; --kind is exact or auto there. A collection
is replaced when all is loaded, and only by a later state of its images, or --replace.

examples:
  jaxsim index ~/Photos --out photos.index
  jaxsim index shop.csv --out shop.index --model pooling=gem,size_px=320
  jaxsim index ~/Photos --out photos.index --model runs/photos/model
  jaxsim index tfds:food101:train --out food.index --batch-size 64
  jaxsim index ~/Photos --out photos.index --kind pq:64
  jaxsim index ~/Photos --out photos.index --retrain
  jaxsim index shop.parquet --store milvus --uri shop.db --manifest shop.csv
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    from jaxsim.cli.milvus import add_store
    from jaxsim.cli.options import add_model, json_file

    parser.add_argument("photos", metavar="PHOTOS", help="what to index")
    parser.add_argument("--out", type=Path, help="folder of the index")
    add_model(parser)
    parser.add_argument(
        "--kind",
        help="how it is searched: exact, pq:M, opq:M, ivfpq:LISTS,M or faiss:FACTORY; "
        "as before, or exact for a new index, if not given",
    )
    parser.add_argument(
        "--retrain",
        action="store_true",
        help="train the codes again on the photos of today",
    )
    parser.add_argument(
        "--json", type=json_file, metavar="FILE", help="write what was done; - prints"
    )
    store = add_store(parser)
    store.add_argument(
        "--manifest",
        type=Path,
        metavar="FILE.csv",
        help="columns to be stored, too, by the images' paths, for --where of `jaxsim "
        "search`; PHOTOS itself if that is a .csv",
    )
    store.add_argument(
        "--replace",
        action="store_true",
        help="means two things: let go what the collection holds, be it of other "
        "images, columns or models, or values of images that the list lacks; and take "
        "the place of another load of it that may be under way, or has ended without "
        "finishing",
    )


def run(options: argparse.Namespace) -> None:
    """Indexes, loads into Milvus if asked for, and says what was done."""
    from jaxsim.cli.milvus import (
        is_descriptor_parts,
        is_misnamed_parts,
        load,
        open_loader,
        place_of,
        refuse_options,
    )
    from jaxsim.cli.output import write_json
    from jaxsim.core.errors import InputError

    place = place_of(options)
    facts: dict[str, object] = {}
    if place is None:
        given = ("manifest", "replace")
        refuse_options(options, given, "goes with --store milvus only")
    loader = place and open_loader(options, place)
    if loader is not None and is_descriptor_parts(options.photos):
        given = ("out", "model", "retrain")
        refuse_options(options, given, "does not go with a file of descriptors")
    elif loader is not None and is_misnamed_parts(options.photos):
        raise InputError(
            f"'{options.photos}' is a folder of parts, whose name must end in .parquet "
            "so that it is taken for one. Rename it"
        )
    elif options.out is None:
        raise InputError("--out is missing: name the folder of the index")
    else:
        facts = _index(options, loader)
    if loader is not None:
        loaded = load(options, loader)
        facts = {**facts, "milvus": loaded} if facts else loaded
    if options.json:
        write_json(options.json, facts)


def _index(options: argparse.Namespace, loader) -> dict[str, object]:
    """Brings the index in a folder up to date, if it can be loaded then."""
    import dataclasses
    import sys
    import time

    from jaxsim.cli.options import chosen_model
    from jaxsim.cli.output import skipped
    from jaxsim.cli.progress import progress_bar
    from jaxsim.data.sources import open_source
    from jaxsim.experiment.indexing import index_images
    from jaxsim.index.kind import Kind
    from jaxsim.pipeline.update import REJECTS_FILE

    started = time.perf_counter()
    kind = Kind.parse(options.kind) if loader is None and options.kind else None
    records, unfollowed = open_source(options.photos)
    if loader is not None:
        loader.check(records)
    report = index_images(
        options.out,
        records,
        source=_absolute(options.photos),
        model=chosen_model(options.model),
        kind=kind,
        retrain=options.retrain,
        rejects=unfollowed,
        batch_size=options.batch_size,
        bars=progress_bar,
    )
    seconds = time.perf_counter() - started
    print(
        f"{options.out}: {report.images} images ({report.kept} kept, "
        f"{report.embedded} embedded, {report.reused} known under another name, label "
        f"or time, {report.removed} old rows removed), searched as {report.kind}"
        f"{' (trained now)' * report.trained}, in {seconds:.1f} s, "
        f"{report.compilations} compilations",
        file=sys.stderr,
    )
    if report.rejects:
        listed = options.out / REJECTS_FILE
        print(skipped(report.rejects, listed_in=listed), file=sys.stderr)
    facts = dataclasses.asdict(report) | {"rejects": len(report.rejects)}
    return {**facts, "seconds": round(seconds, 2)}


def _absolute(photos: str) -> str:
    """Returns the source so that it can be found from another working folder."""
    if not photos.startswith("tfds:"):
        return str(Path(photos).expanduser().resolve())
    name, _, split = photos.removeprefix("tfds:").rpartition(":")
    return f"tfds:{Path(name).resolve() if Path(name).is_dir() else name}:{split}"
