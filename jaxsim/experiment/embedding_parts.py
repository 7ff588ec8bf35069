"""Descriptors of a large collection in parts, by any number of processes."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import fiddle as fdl
import jax

from jaxsim.core.errors import InputError
from jaxsim.core.progress import Bars, no_bars
from jaxsim.core.rows import share
from jaxsim.data.records import Record
from jaxsim.data.rejects import Reject, write_rejects
from jaxsim.experiment.model_spec import ModelSpec
from jaxsim.experiment.parts_folder import (
    claim_parts,
    refuse_other_images,
    shared_model,
)
from jaxsim.experiment.run_folder import identity
from jaxsim.pipeline.descriptor_file import (
    DAMAGE,
    part_name,
    read_footer,
    write_descriptors,
)
from jaxsim.pipeline.embed import Embedder, Waits
from jaxsim.pipeline.model import ImageModel

# Programs that read Parquet skip names that begin so.
REJECTS_FOLDER = "_rejects"


@dataclass(frozen=True, kw_only=True)
class PartsReport:
    """What this process did.

    Attributes:
      written: parts that it wrote.
      found: parts of its share that were there already.
      images: descriptors that it wrote.
      rejects: files of its share that were skipped now.
      seconds: that all took.
      opening_s: of these, until the model was built or opened, and the parts that were
        there looked at; of several processes all but the first wait for that one.
      waits: for what it waited then.
    """

    written: int
    found: int
    images: int
    rejects: tuple[Reject, ...]
    seconds: float
    opening_s: float
    waits: Waits


def embed_parts(
    out: Path,
    records: Sequence[Record],
    *,
    parts: int,
    model: fdl.Config[ModelSpec] | ImageModel | None = None,
    batch_size: int = 16,
    bars: Bars = no_bars,
) -> PartsReport:
    """Describes a process's share of a collection, and writes it part by part.

    Part p holds the images from p N / parts on. Of P processes, process i writes the
    parts i, i + P, …; those that are there are left as they are, so that the same
    command, in as many processes as one likes, goes on where others stopped. A part
    whose footer cannot be read, or is of something else, is named and written anew.

    Args:
      out: a folder whose name ends in .parquet, which all processes see.
      records: the images, alike in all processes.
      parts: in how many files.
      model: what describes them; see `embed_images`. One that must be built is built
        by the first process, and kept in the folder.
      batch_size: images per program run.
      bars: shows progress.

    Raises:
      InputError: the folder holds parts of something else, or cannot be written.
    """
    begun = perf_counter()
    if out.suffix != ".parquet" or out.is_file():
        raise InputError(
            f"'{out}' cannot hold parts: give a folder whose name ends in .parquet"
        )
    if not 1 <= parts <= max(len(records), 1):
        raise InputError(f"{len(records)} images cannot be cut into {parts} parts")
    out.mkdir(parents=True, exist_ok=True)
    about = {"parts": parts, **identity(records)}
    refuse_other_images(out, about)
    model = shared_model(out, records, model, bars=bars)
    claim_parts(out, about, fingerprint=model.fingerprint)
    waits = Waits()
    embedder = Embedder(model, batch_size=batch_size, waits=waits)
    mine = range(jax.process_index(), parts, jax.process_count())
    shares = {part: share(part, parts, len(records)) for part in mine}
    ranges = {
        part: rows
        for part, rows in shares.items()
        if not _is_there(out / part_name(part, parts), model, len(rows))
    }
    images, rejects, opened = 0, [], perf_counter()
    show = bars if ranges else no_bars
    with show("embed", sum(len(rows) for rows in ranges.values())) as progress:
        for part, rows in ranges.items():
            chosen = [records[row] for row in rows]
            embedding = embedder.embed(chosen, progress)
            target = out / part_name(part, parts)
            listed = out / REJECTS_FOLDER / f"{target.stem}.csv"
            if embedding.rejects:
                listed.parent.mkdir(exist_ok=True)
                write_rejects(listed, embedding.rejects)
            else:
                # That of a part that was damaged.
                listed.unlink(missing_ok=True)
            write_descriptors(
                target,
                embedding,
                chosen,
                fingerprint=model.fingerprint,
                may_be_empty=True,
            )
            images += int(embedding.found.sum())
            rejects += embedding.rejects
    return PartsReport(
        written=len(ranges),
        found=len(mine) - len(ranges),
        images=images,
        rejects=tuple(rejects),
        seconds=perf_counter() - begun,
        opening_s=opened - begun,
        waits=waits,
    )


def _is_there(path: Path, model: ImageModel, images: int) -> bool:
    """Returns whether a part is there and, as its footer says, whole and of this."""
    if not path.exists():
        return False
    try:
        rows, dimension, fingerprint = read_footer(path)
    except DAMAGE as error:
        reason = str(error)
    else:
        if (dimension, fingerprint) != (model.dimension, model.fingerprint):
            reason = "it is of another model"
        elif rows > images:
            reason = f"it has {rows} descriptors of {images} images"
        else:
            return True
    text = "'%s' cannot be used (%s); its images are described anew"
    logging.getLogger(__name__).warning(text, path, reason)
    return False
