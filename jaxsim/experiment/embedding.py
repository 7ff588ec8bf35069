"""Writes the descriptors of a collection, and what was left out."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import fiddle as fdl

from jaxsim.core.errors import InputError
from jaxsim.core.progress import Bars, no_bars
from jaxsim.data.records import Record
from jaxsim.data.rejects import Reject, write_rejects
from jaxsim.experiment.build import build_model
from jaxsim.experiment.indexing import default_model, fit_sample
from jaxsim.experiment.model_spec import ModelSpec
from jaxsim.pipeline.descriptor_file import check_suffix, write_descriptors
from jaxsim.pipeline.embed import CompiledShapes, Embedder
from jaxsim.pipeline.model import ImageModel


@dataclass(frozen=True, kw_only=True)
class EmbedReport:
    """What was written.

    Attributes:
      images: number of descriptors.
      dimension: of each.
      rejects: files that were skipped, with reasons.
      rejects_file: which lists them; it exists only if there are some.
      compilations: programs compiled or fetched from the compilation cache.
    """

    images: int
    dimension: int
    rejects: tuple[Reject, ...]
    rejects_file: Path
    compilations: int


def embed_images(
    out: Path,
    records: Sequence[Record],
    *,
    model: fdl.Config[ModelSpec] | ImageModel | None = None,
    rejects: Sequence[Reject] = (),
    batch_size: int = 16,
    bars: Bars = no_bars,
) -> EmbedReport:
    """Describes images and writes a .npz or .parquet file.

    Args:
      out: the file; see `jaxsim.pipeline.descriptor_file.write_descriptors`. What
        cannot be used is listed beside it in OUT.rejects.csv.
      records: the images.
      model: what describes them, to be built or finished; by default `default_model`.
        Whitening is fitted on up to 500 of the images, evenly spaced.
      rejects: paths that never became records.
      batch_size: images per program run.
      bars: shows progress.

    Raises:
      InputError: another ending, no image can be used, or the disk is full.
    """
    check_suffix(out)
    shapes: CompiledShapes = set()
    if not isinstance(model, ImageModel):
        model = build_model(
            model or default_model(len(records)),
            fit_sample(records),
            bars=bars,
            compiled_shapes=shapes,
        )
    embedder = Embedder(model, batch_size=batch_size, compiled_shapes=shapes)
    with bars("embed", len(records)) as progress:
        embedding = embedder.embed(records, progress)
    left_out = (*rejects, *embedding.rejects)
    listed = out.with_name(f"{out.name}.rejects.csv")
    if left_out:
        write_rejects(listed, left_out)
    else:
        # What an earlier run left out is true no more.
        listed.unlink(missing_ok=True)
    if not embedding.found.any():
        raise InputError(
            f"none of the {len(records)} images can be used; see {listed} for the "
            "reasons"
        )
    write_descriptors(out, embedding, records, fingerprint=model.fingerprint)
    return EmbedReport(
        images=int(embedding.found.sum()),
        dimension=model.dimension,
        rejects=left_out,
        rejects_file=listed,
        compilations=len(shapes),
    )
