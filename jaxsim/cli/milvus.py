"""Options and answers of `jaxsim index` and `jaxsim search` with --store milvus."""

import argparse
from pathlib import Path


def add_store(parser: argparse.ArgumentParser) -> "argparse._ArgumentGroup":
    """Declares --store, --uri and --collection."""
    group = parser.add_argument_group(
        "Milvus", "vectors in a database of their own (extra milvus); see docs/scale.md"
    )
    group.add_argument(
        "--store",
        choices=("folder", "milvus"),
        default="folder",
        help="where vectors are: in the index's folder, or in Milvus at --uri",
    )
    group.add_argument(
        "--uri",
        help="a path that ends in .db, for Milvus Lite in this process, or a server, "
        "such as http://localhost:19530; its user:password or API key is read from "
        "MILVUS_TOKEN",
    )
    group.add_argument("--collection", help="its name in Milvus, jaxsim by default")
    return group


def place_of(options: argparse.Namespace):
    """Returns the collection that options name, None where vectors are in a folder."""
    from jaxsim.core.errors import InputError
    from jaxsim.index.milvus_server import Place

    if options.store == "folder":
        refuse_options(options, ("uri", "collection"), "goes with --store milvus only")
        return None
    if options.uri is None:
        raise InputError(
            "--store milvus needs --uri: a path that ends in .db, or a server, such as "
            "http://localhost:19530"
        )
    return Place(options.uri, options.collection or "jaxsim")


def refuse_options(options: argparse.Namespace, names, why: str) -> None:
    """Raises InputError if one of these options was given."""
    from jaxsim.core.errors import InputError

    for name in names:
        if getattr(options, name) not in (None, False):
            raise InputError(f"--{name} {why}")


def open_loader(options: argparse.Namespace, place):
    """Returns what fills a collection as options say; the list has been read."""
    from jaxsim.core.errors import InputError
    from jaxsim.experiment.milvus_loading import CollectionLoader

    if options.kind not in (None, "exact", "auto"):
        raise InputError(
            f"--kind {options.kind}: Milvus searches every vector (exact), or as it "
            "likes (auto)"
        )
    given = Path(options.photos)
    return CollectionLoader.open(
        place,
        manifest=options.manifest or (given if given.suffix == ".csv" else None),
        exact=None if options.kind is None else options.kind == "exact",
        replace=options.replace,
    )


def load(options: argparse.Namespace, loader) -> dict[str, object]:
    """Fills a collection with a file of descriptors or an index, and says so."""
    import dataclasses
    import sys
    import time

    from jaxsim.cli.progress import progress_bar

    started = time.perf_counter()
    if is_descriptor_parts(options.photos):
        report = loader.load_file(Path(options.photos), bars=progress_bar)
    else:
        report = loader.load_index(options.out, bars=progress_bar)
    seconds = time.perf_counter() - started
    print(
        f"{loader.place}: {report.images} images of {report.dimension} numbers, with "
        f"the columns {', '.join(report.columns)}, searched as "
        f"{'exact' if report.exact else 'auto'}, loaded in {seconds:.1f} s",
        file=sys.stderr,
    )
    if report.unlisted:
        one = report.unlisted == 1
        print(
            f"warning: {report.unlisted} of {report.images} images "
            f"{'is' if one else 'are'} not in {loader.columns.source}; "
            f"{'its' if one else 'their'} columns are empty",
            file=sys.stderr,
        )
    return {**dataclasses.asdict(report), "seconds": round(seconds, 2)}


def is_descriptor_parts(photos: str) -> bool:
    """Returns whether PHOTOS names descriptors, which `jaxsim embed` wrote."""
    return Path(photos).suffix == ".parquet"


def is_misnamed_parts(photos: str) -> bool:
    """Returns whether PHOTOS has parts of `jaxsim embed`, and another name than it."""
    from jaxsim.pipeline.descriptor_file import is_parts_folder

    return not is_descriptor_parts(photos) and is_parts_folder(Path(photos))
