"""Descriptors of a large collection in parts, by any number of processes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

import fiddle as fdl
import jax

from jaxsim.core.errors import InputError
from jaxsim.core.files import atomic_write, read_object
from jaxsim.core.progress import Bars, no_bars
from jaxsim.data.records import Record
from jaxsim.data.rejects import Reject, write_rejects
from jaxsim.experiment.build import build_model, load_model
from jaxsim.experiment.indexing import default_model, fit_sample
from jaxsim.experiment.model_spec import ModelSpec
from jaxsim.experiment.run_folder import identity
from jaxsim.parallel.multihost import is_first_process, wait_for_all
from jaxsim.pipeline.descriptor_file import PARTS_FILE, part_name, write_descriptors
from jaxsim.pipeline.embed import Embedder, Waits
from jaxsim.pipeline.model import ImageModel

# Programs that read Parquet skip names that begin so.
MODEL_FOLDER, REJECTS_FOLDER = "_model", "_rejects"


@dataclass(frozen=True, kw_only=True)
class PartsReport:
    """What this process did.

    Attributes:
      written: parts that it wrote.
      found: parts of its share that were there already.
      images: descriptors that it wrote.
      rejects: files of its share that were skipped now.
      seconds: that embedding took.
      waits: for what it waited meanwhile.
    """

    written: int
    found: int
    images: int
    rejects: tuple[Reject, ...]
    seconds: float
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
    command, in as many processes as one likes, goes on where others stopped.

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
    if out.suffix != ".parquet" or out.is_file():
        raise InputError(
            f"'{out}' cannot hold parts: give a folder whose name ends in .parquet"
        )
    if not 1 <= parts <= max(len(records), 1):
        raise InputError(f"{len(records)} images cannot be cut into {parts} parts")
    out.mkdir(parents=True, exist_ok=True)
    model = _shared_model(out, records, model, bars)
    _claim(out, records, parts, model.fingerprint)
    waits = Waits()
    embedder = Embedder(model, batch_size=batch_size, waits=waits)
    mine = range(jax.process_index(), parts, jax.process_count())
    todo = [part for part in mine if not (out / part_name(part, parts)).exists()]
    images, rejects, begun = 0, [], perf_counter()
    ranges = {part: _rows(part, parts, len(records)) for part in todo}
    with bars("embed", sum(len(rows) for rows in ranges.values())) as progress:
        for part, rows in ranges.items():
            chosen = [records[row] for row in rows]
            embedding = embedder.embed(chosen, progress)
            target = out / part_name(part, parts)
            listed = out / REJECTS_FOLDER / f"{target.stem}.csv"
            if embedding.rejects:
                listed.parent.mkdir(exist_ok=True)
                write_rejects(listed, embedding.rejects)
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
        written=len(todo),
        found=len(mine) - len(todo),
        images=images,
        rejects=tuple(rejects),
        seconds=perf_counter() - begun,
        waits=waits,
    )


def _rows(part: int, parts: int, count: int) -> range:
    return range(part * count // parts, (part + 1) * count // parts)


def _shared_model(
    out: Path,
    records: Sequence[Record],
    model: fdl.Config[ModelSpec] | ImageModel | None,
    bars: Bars,
) -> ImageModel:
    """Returns one model for all processes and for all that go on later."""
    if isinstance(model, ImageModel):
        return model
    folder = out / MODEL_FOLDER
    if is_first_process() and not folder.exists():
        built = build_model(
            model or default_model(len(records)), fit_sample(records), bars=bars
        )
        # Renamed when it is complete, as others take its presence for that.
        unfinished = out / f"{MODEL_FOLDER}.unfinished"
        built.save(unfinished)
        unfinished.rename(folder)
    wait_for_all("model")
    return load_model(folder)


def _claim(out: Path, records: Sequence[Record], parts: int, fingerprint: str) -> None:
    """Writes what the parts are of, or refuses a folder of other parts."""
    about = {"parts": parts, "fingerprint": fingerprint, **identity(records)}
    path = out / PARTS_FILE
    if is_first_process() and not path.exists():
        with atomic_write(path) as file:
            file.write(json.dumps(about).encode())
    wait_for_all("parts")
    known = read_object(path, mend="Embed into another --out")
    both = {**about, **known}
    what = next((name for name in both if known.get(name) != about.get(name)), None)
    if what is not None:
        raise InputError(
            f"{out} holds parts of other images, labels or another model (its {what} "
            f"is {known.get(what)}, not {about.get(what)}). Give the options that it "
            "was started with, or another --out"
        )
