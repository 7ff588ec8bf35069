"""Descriptors of a large collection in parts, by any number of processes."""

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import fiddle as fdl
import jax

from jaxsim.core.errors import InputError
from jaxsim.core.files import atomic_write, read_object
from jaxsim.core.progress import Bars, no_bars
from jaxsim.data.records import Record
from jaxsim.data.rejects import Reject, write_rejects
from jaxsim.experiment.build import build_model, folded_config, load_model
from jaxsim.experiment.indexing import default_model, fit_sample
from jaxsim.experiment.model_spec import ModelSpec
from jaxsim.experiment.run_folder import identity
from jaxsim.experiment.serialisation import config_from_json
from jaxsim.parallel.multihost import is_first_process, wait_for_all
from jaxsim.pipeline.descriptor_file import (
    DAMAGE,
    PARTS_FILE,
    part_name,
    read_footer,
    write_descriptors,
)
from jaxsim.pipeline.embed import Embedder, Waits
from jaxsim.pipeline.model import ImageModel

# Programs that read Parquet skip names that begin so.
MODEL_FOLDER, REJECTS_FOLDER = "_model", "_rejects"
FINGERPRINT = "fingerprint"


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
    _refuse_other_images(out, about)
    model = _shared_model(out, records, model, bars)
    _claim(out, {**about, FINGERPRINT: model.fingerprint})
    waits = Waits()
    embedder = Embedder(model, batch_size=batch_size, waits=waits)
    mine = range(jax.process_index(), parts, jax.process_count())
    shares = {part: _rows(part, parts, len(records)) for part in mine}
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


def _rows(part: int, parts: int, count: int) -> range:
    return range(part * count // parts, (part + 1) * count // parts)


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


def _shared_model(
    out: Path,
    records: Sequence[Record],
    model: fdl.Config[ModelSpec] | ImageModel | None,
    bars: Bars,
) -> ImageModel:
    """Returns one model for all processes and for all that go on later."""
    folder = out / MODEL_FOLDER
    if isinstance(model, ImageModel):
        if folder.exists():
            known = load_model(folder).fingerprint
            _refuse_other_model(out, known, model.fingerprint)
        return model
    asked = model or default_model(len(records))
    if is_first_process() and not folder.exists():
        built = build_model(asked, fit_sample(records), bars=bars)
        # Parts of a trained model have none here, and this one would be taken for it.
        known = _known(out).get(FINGERPRINT, built.fingerprint)
        _refuse_other_model(out, known, built.fingerprint)
        # Renamed when it is complete, as others take its presence for that.
        unfinished = out / f"{MODEL_FOLDER}.unfinished"
        built.save(unfinished)
        unfinished.rename(folder)
    wait_for_all("model")
    kept = load_model(folder)
    begun = config_from_json(kept.config, source=str(folder))
    differences = list(_differences("", begun, folded_config(asked)))
    if differences:
        before = ", ".join(f"{name}={was}" for name, was, _ in differences)
        now = ", ".join(f"{name}={wanted}" for name, _, wanted in differences)
        raise InputError(
            f"{out} was begun with another model: with {before}, where now {now} is "
            "asked for. Give the same --model as before, or another --out"
        )
    return kept


def _differences(name: str, begun: Any, asked: Any) -> Iterator[tuple[str, str, str]]:
    """Yields the fields in which two configs differ, with both values."""
    both = isinstance(begun, fdl.Config) and isinstance(asked, fdl.Config)
    if both and fdl.get_callable(begun) is fdl.get_callable(asked):
        for field in {**begun.__arguments__, **asked.__arguments__}:
            values = (getattr(config, str(field)) for config in (begun, asked))
            yield from _differences(f"{name}.{field}".lstrip("."), *values)
    elif begun != asked:
        yield name, _shown(begun), _shown(asked)


def _shown(value: Any) -> str:
    is_config = isinstance(value, fdl.Config)
    return fdl.get_callable(value).__name__ if is_config else str(value)


def _refuse_other_model(out: Path, known: str, asked: str) -> None:
    if known != asked:
        raise InputError(
            f"{out} was begun with another model: its fingerprint is {known}, where "
            f"that of the model asked for now is {asked}. Give the same --model as "
            "before, or another --out"
        )


def _known(out: Path) -> dict[str, Any]:
    """Returns what the parts are of, nothing if they are not begun."""
    path = out / PARTS_FILE
    if not path.exists():
        return {}
    return read_object(path, mend="Embed into another --out")


def _refuse_other_images(out: Path, about: dict[str, Any]) -> None:
    """Raises InputError if there are parts of others, whatever the model."""
    known = _known(out) or about
    both = [name for name in {**about, **known} if name != FINGERPRINT]
    what = next((name for name in both if known.get(name) != about.get(name)), None)
    if what is not None:
        raise InputError(
            f"{out} holds parts of other images or labels (its {what} is "
            f"{known.get(what)}, not {about.get(what)}). Give the options that it was "
            "started with, or another --out"
        )


def _claim(out: Path, about: dict[str, Any]) -> None:
    """Writes what the parts are of, or refuses a folder of other parts."""
    path = out / PARTS_FILE
    if is_first_process() and not path.exists():
        with atomic_write(path) as file:
            file.write(json.dumps(about).encode())
    wait_for_all("parts")
    # Other processes may have begun it after this one has looked.
    _refuse_other_images(out, about)
    _refuse_other_model(out, str(_known(out).get(FINGERPRINT)), about[FINGERPRINT])
