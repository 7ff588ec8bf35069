"""Write descriptors for other programs to use.

The .npz file holds "vectors" (float32 [N, D]), "names", "labels" and the model's
"fingerprint"; the Parquet file has columns "name", "label" and "vector". Vectors have
length 1, but for models trained to be compared by distance. Images that cannot be used
get no row; they are listed in OUT.rejects.csv.

With --parts, OUT is a folder of Parquet files, of which each process writes its share;
the same command goes on from the parts that are there. See docs/scale.md.

examples:
  jaxsim embed ~/Photos --out photos.npz
  jaxsim embed shop.csv --out shop.parquet --model backbone=lite0,pooling=gem
  jaxsim embed ~/Photos --out photos.npz --model runs/photos/model
  jaxsim embed shop.csv --out shop.parquet --parts 64 --coordinator auto
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jaxsim.experiment.embedding_parts import PartsReport


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the command's options."""
    from jaxsim.cli.options import add_model, add_processes, positive

    parser.add_argument(
        "photos", metavar="PHOTOS", help="folder, .csv, tfds:NAME:SPLIT"
    )
    parser.add_argument("--out", required=True, help=".npz or .parquet file")
    parser.add_argument(
        "--parts",
        metavar="N",
        type=positive,
        help="write N files into the folder OUT, which may be shared by processes",
    )
    add_model(parser)
    add_processes(parser)


def run(options: argparse.Namespace) -> None:
    """Embeds and writes the file, or this process's share of the parts."""
    import sys

    from jaxsim.cli.options import chosen_model, join_processes
    from jaxsim.cli.output import skipped
    from jaxsim.cli.progress import progress_bar
    from jaxsim.data.sources import open_source
    from jaxsim.experiment.embedding import embed_images
    from jaxsim.parallel.multihost import require_one_process

    if not options.parts:
        _require_file(options.out)
    words = {"parts": str(options.parts), "model": str(options.model)}
    join_processes(options, {"photos": options.photos, **words})
    records, unfollowed = open_source(options.photos)
    if options.parts:
        _run_parts(options, records)
        return
    require_one_process()
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


def _require_file(out: str) -> None:
    from jaxsim.core.errors import InputError
    from jaxsim.core.files import check_target
    from jaxsim.pipeline.descriptor_file import is_parts_folder

    try:
        check_target(out)
    except InputError as error:
        if is_parts_folder(Path(out)):
            raise InputError(
                f"--out: '{out}' is a folder of parts; go on from them with --parts N, "
                "as before, or give the name of a new file"
            ) from error
        raise InputError(f"--out: {error}") from error


def _told(report: "PartsReport") -> str:
    """Says what a process did and, if it described images, where its time went."""
    import jax

    from jaxsim.report.text import count

    if not report.written:
        whose = " of this process" if jax.process_count() > 1 else ""
        if report.found == 1:
            return f"the one part{whose} was there"
        return f"all {report.found} parts{whose} were there"
    wrote = f"wrote {count(report.written, 'part')} with "
    wrote += count(report.images, "descriptor") + " in all" * (report.written > 1)
    if report.found:
        wrote += f", {report.found} {'was' if report.found == 1 else 'were'} there"
    waits, seconds = report.waits, report.seconds
    took = {
        "for opening the model": report.opening_s,
        "for compiling": waits.compile_s,
        "waiting for images": waits.loader_s,
        "waiting for the device": waits.device_s,
    }
    took["for writing and all else"] = seconds - sum(took.values())
    shares = ", ".join(
        f"{took_s / seconds:.0%} {what}" for what, took_s in took.items()
    )
    rate = f"{seconds:.1f} s, {report.images / seconds:.1f} images/s"
    return f"{wrote}; {rate}: {shares}"


def _run_parts(options: argparse.Namespace, records) -> None:
    import sys

    from jaxsim.cli.options import chosen_model
    from jaxsim.cli.output import skipped
    from jaxsim.cli.progress import progress_bar
    from jaxsim.core.progress import no_bars
    from jaxsim.experiment.embedding_parts import REJECTS_FOLDER, embed_parts
    from jaxsim.parallel import multihost

    with multihost.ending_at_once_on_errors():
        report = embed_parts(
            Path(options.out),
            records,
            parts=options.parts,
            model=chosen_model(options.model),
            batch_size=options.batch_size,
            bars=progress_bar if multihost.is_first_process() else no_bars,
        )
    print(f"{options.out}: {_told(report)}", file=sys.stderr)
    if report.rejects:
        listed = Path(options.out) / REJECTS_FOLDER
        print(skipped(report.rejects, listed_in=listed), file=sys.stderr)
