"""Exports what a folder or a model's options name, compared on photos."""

from collections.abc import Sequence
from pathlib import Path

import fiddle as fdl

from jaxsim.core.errors import InputError
from jaxsim.core.progress import Bars, no_bars
from jaxsim.data.datasets import skimage_photos
from jaxsim.data.records import Record
from jaxsim.experiment.build import build_model, open_trained
from jaxsim.experiment.described import DESCRIPTOR_FOLDER
from jaxsim.experiment.graphs import open_graph
from jaxsim.experiment.indexing import fit_sample
from jaxsim.experiment.model_spec import ModelSpec
from jaxsim.experiment.run import MODEL_FOLDER
from jaxsim.experiment.similarities import open_similarity
from jaxsim.export.program import Slot
from jaxsim.export.report import ExportReport, Format
from jaxsim.export.write import (
    export_descriptor,
    export_graph,
    export_similarity,
)
from jaxsim.pipeline.descriptor_file import read_descriptors
from jaxsim.pipeline.embed import Embedder
from jaxsim.pipeline.graph_model import GRAPH_FILE, GraphModel
from jaxsim.pipeline.model import CONFIG_FILE, PARAMETERS_FILE, ImageModel
from jaxsim.pipeline.similarity import SIMILARITY_FILE, SimilarityModel

MOST_PHOTOS = 16
Exportable = ImageModel | SimilarityModel | GraphModel


def open_exportable(folder: Path) -> Exportable:
    """Loads the descriptor, similarity or graph that a training run left behind.

    Args:
      folder: of the run; its model/, similarity/ or descriptor/; or a bundle. Of a run
        that has both, the descriptor is taken.

    Raises:
      InputError: there is no model.
      IndexFormatError: it is damaged, or of another version.
    """
    folder = folder.expanduser()
    if (folder / PARAMETERS_FILE).is_file():
        if (folder / SIMILARITY_FILE).is_file():
            return open_similarity(folder)
        if (folder / GRAPH_FILE).is_file():
            return open_graph(folder)
        return open_trained(folder)
    inside = folder / MODEL_FOLDER
    if (inside / GRAPH_FILE).is_file():
        return open_graph(inside)
    if (inside / PARAMETERS_FILE).is_file() and (inside / CONFIG_FILE).is_file():
        return open_trained(inside)
    try:
        return open_similarity(folder)
    except InputError:
        raise InputError(
            f"there is no trained model in '{folder}'. Give the folder RUN of a "
            "finished `jaxsim train --out RUN`, or the options of a descriptor, such "
            "as backbone=lite0,pooling=gem"
        ) from None


def export_model(
    model: Path | fdl.Config[ModelSpec],
    out: Path,
    *,
    format: Format,
    photos: Sequence[Record] | None = None,
    descriptors: Path | None = None,
    slot: Slot | None = None,
    bars: Bars = no_bars,
) -> ExportReport:
    """Exports a trained model, or one with pre-trained weights.

    Args:
      model: a folder, see `open_exportable`; or a config of a descriptor, whose
        whitening is fitted on the photos.
      out: a new or empty folder.
      format: of the file.
      photos: to compare the file with the model on, of which up to 16 are taken, evenly
        spaced; by default those in the scikit-image wheel.
      descriptors: of a similarity whose run did not describe images itself, a file of
        `jaxsim embed` to be compared on; a graph without one takes its own index.
      slot: see `jaxsim.export.program.image_inputs`; only for descriptors.
      bars: shows progress.

    Raises:
      InputError: there is no such model, no photo can be used, or the file does not
        agree with the model; see `jaxsim.export.write`.
    """
    records = skimage_photos.records() if photos is None else photos
    if isinstance(model, Path):
        found = open_exportable(model)
    else:
        found = build_model(model, fit_sample(records), bars=bars)
    shown = _evenly(len(records))
    chosen = [records[i] for i in shown]
    if isinstance(found, ImageModel):
        if descriptors is not None:
            raise InputError(
                f"{model} is a descriptor, which is compared on photos; give a folder "
                f"of photos in place of '{descriptors}'"
            )
        return export_descriptor(
            found, out, chosen, format=format, slot=slot, bars=bars
        )
    if slot is not None:
        raise InputError("a similarity or graph has no images; leave --slot away")
    vectors, names = _described(found, model, chosen, descriptors, bars)
    if isinstance(found, GraphModel):
        return export_graph(found, out, vectors, names, format=format, bars=bars)
    return export_similarity(found, out, vectors, names, format=format, bars=bars)


def _evenly(count: int) -> list[int]:
    most = min(count, MOST_PHOTOS)
    return [i * count // most for i in range(most)]


def _described(
    model: SimilarityModel | GraphModel,
    folder: object,
    records: Sequence[Record],
    file: Path | None,
    bars: Bars,
):
    """Returns descriptors of the kind that a model was trained on, and names."""
    if file is not None:
        stored = read_descriptors(file)
        model.check_described_by(stored.fingerprint)
        rows = _evenly(len(stored.names))
        return stored.vectors[rows], [stored.names[row] for row in rows]
    run = Path(str(folder)).expanduser()
    places = [p / DESCRIPTOR_FOLDER for p in (run, *run.parents[:2])]
    place = next((p for p in places if (p / PARAMETERS_FILE).is_file()), None)
    if place is None and isinstance(model, GraphModel):
        # It has the descriptors of its own index.
        rows = _evenly(len(model.trained.vectors))
        return model.trained.vectors[rows], [f"image {row}" for row in rows]
    if place is None:
        raise InputError(
            "this similarity was trained on descriptors of a file, so that it cannot "
            "describe photos. Give the file to compare on: --photos FILE.npz"
        )
    descriptor = open_trained(place)
    model.check_described_by(descriptor.fingerprint)
    with bars("describe", len(records)) as progress:
        found = Embedder(descriptor, batch_size=4).embed(records, progress)
    rows = found.found.nonzero()[0].tolist()
    if not rows:
        raise InputError("none of the photos can be used; give others: --photos FOLDER")
    return found.vectors[rows], [records[row].name for row in rows]
