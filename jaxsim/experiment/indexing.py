"""Opens or creates an index together with the model that belongs to it."""

import logging
from collections.abc import Sequence
from pathlib import Path

import fiddle as fdl

from jaxsim.core.errors import InputError
from jaxsim.core.progress import Bars, no_bars
from jaxsim.data.records import Record
from jaxsim.data.rejects import Reject
from jaxsim.experiment.build import build_model, folded_config, load_model
from jaxsim.experiment.descriptors import descriptor_config
from jaxsim.experiment.model_spec import ModelSpec
from jaxsim.experiment.serialisation import config_to_json
from jaxsim.index.kind import Kind
from jaxsim.index.lock import locked
from jaxsim.index.manifest import MANIFEST, Manifest
from jaxsim.index.storage import PENDING, IndexStore
from jaxsim.pipeline.embed import CompiledShapes, Embedder
from jaxsim.pipeline.model import CONFIG_FILE, ImageModel
from jaxsim.pipeline.search import SearchEngine
from jaxsim.pipeline.update import UpdateReport, update_index

MODEL_FOLDER = "model"
FEATURES_FOLDER = "features"
FEWEST_TO_WHITEN = 200
MOST_TO_FIT = 500


def default_model(num_images: int) -> fdl.Config[ModelSpec]:
    """Returns the descriptor used where none is asked for.

    Lite0 with R-MAC; its regions are whitened on the collection itself if that has at
    least 200 images, because fewer do not span 512 dimensions safely.
    """
    whiten = "regions" if num_images >= FEWEST_TO_WHITEN else "none"
    return descriptor_config(pooling="rmac", whiten=whiten)


def fit_sample(records: Sequence[Record]) -> list[Record]:
    """Returns up to 500 images, evenly spaced, to fit whitening on."""
    step = -(-len(records) // MOST_TO_FIT)
    return [records[i] for i in range(0, len(records), step)]


def index_images(
    path: Path,
    records: Sequence[Record],
    *,
    source: str,
    model: fdl.Config[ModelSpec] | ImageModel | None = None,
    fit_records: Sequence[Record] | None = None,
    kind: Kind | None = None,
    retrain: bool = False,
    rejects: Sequence[Reject] = (),
    batch_size: int = 16,
    bars: Bars = no_bars,
) -> UpdateReport:
    """Creates an index, or brings one up to date.

    Args:
      path: folder of the index.
      records: the collection as it is now.
      source: where the collection is.
      model: what describes images, to be built or finished; by default the index's own,
        or for a new index `default_model`.
      fit_records: images that the whitening of a new index is fitted on, once; by
        default up to 500 of the collection, evenly spaced.
      kind: how the index is to be searched, as `retrain`; see
        `jaxsim.pipeline.update.update_index`. A new index is searched exactly by
        default.
      retrain: train the kind again.
      rejects: paths that never became records.
      batch_size: images per program run.
      bars: shows progress.

    Raises:
      InputError: the images cannot be used, the index was made by another model, this
        model's descriptors are no unit vectors, the kind does not suit them, or there
        is nothing to train again.
      IndexFormatError: the index is damaged.
    """
    folder = path / MODEL_FOLDER
    fresh, shapes = None, set()
    _check_training(path, kind, retrain=retrain, images=len(records))
    with locked(path):
        store = IndexStore.open(path) if (path / MANIFEST).exists() else None
        if store is None or not (len(store) or _goes_on(store, records, source, model)):
            (path / MANIFEST).unlink(missing_ok=True)
            fresh = _build(model, records, fit_records, bars, shapes)
            require_unit_vectors(fresh)
            if kind is not None:
                kind.check_dimension(fresh.dimension)
            fresh.save(folder)
            IndexStore.create(
                path,
                dimension=fresh.dimension,
                fingerprint=fresh.fingerprint,
                info={"source": source},
            )
        else:
            if model is not None:
                _refuse_other_model(path, model)
            if kind is not None:
                kind.check_dimension(store.dimension)

    def open_embedder() -> Embedder:
        opened = fresh or _model_of(path)
        return Embedder(opened, batch_size=batch_size, compiled_shapes=shapes)

    return update_index(
        path,
        records,
        open_embedder,
        source=source,
        kind=kind,
        retrain=retrain,
        rejects=rejects,
        bars=bars,
    )


def open_engine(
    path: Path, *, batch_size: int = 16, probes: int | None = None
) -> SearchEngine:
    """Opens an index for search.

    Args:
      path: folder of the index.
      batch_size: images per program run.
      probes: how many lists a search looks into; None leaves it to the index.

    Raises:
      IndexFormatError: there is no index, it is damaged, or its model is.
      InputError: its model's descriptors are no unit vectors; or probes are given and
        it has no lists, or not so many.
    """
    store = IndexStore.open(path)
    if probes is not None:
        store.kind.check_probes(probes)
    model = load_model(path / MODEL_FOLDER)
    require_unit_vectors(model)
    return SearchEngine(store, Embedder(model, batch_size=batch_size), probes)


def verify_index(path: Path) -> IndexStore:
    """Reads every byte of an index and of its model.

    Raises:
      IndexFormatError: there is no index, or something is not as it was written.
    """
    store = IndexStore.open(path)
    store.verify()
    store.check_fingerprint(load_model(path / MODEL_FOLDER).fingerprint)
    return store


def _check_training(
    path: Path, kind: Kind | None, *, retrain: bool, images: int
) -> None:
    """Raises InputError if what is to be trained cannot be, whatever the model."""
    before = "exact"
    if (path / MANIFEST).exists() and (stored := Manifest.read(path).compressed):
        before = stored.kind
    wanted = before if kind is None else str(kind)
    if retrain and wanted == "exact":
        raise InputError(
            "--retrain: an exact index has nothing to train. Leave it away, or choose "
            "a compressed --kind, such as pq:64"
        )
    if kind is not None and (retrain or wanted != before):
        kind.check_rows(images)


def require_unit_vectors(model: ImageModel) -> None:
    """Raises InputError for a model whose descriptors an index cannot hold."""
    if model.comparison != "cosine":
        raise InputError(
            "this model's descriptors are no unit vectors: they are compared by "
            "Euclidean distance, and an index searches by cosine. Measure the model by "
            "`jaxsim evaluate`, or train one with --set model.network.unit=True"
        )


def _build(
    model: fdl.Config[ModelSpec] | ImageModel | None,
    records: Sequence[Record],
    fit_records: Sequence[Record] | None,
    bars: Bars,
    shapes: CompiledShapes,
) -> ImageModel:
    """Builds the model of a new index.

    The default model's whitening is left away if the images do not allow it: if most
    of them are copies of each other, or broken.
    """
    if isinstance(model, ImageModel):
        return model
    sample = fit_records or fit_sample(records)
    if model is not None:
        return build_model(model, sample, bars=bars, compiled_shapes=shapes)
    try:
        return build_model(
            default_model(len(records)), sample, bars=bars, compiled_shapes=shapes
        )
    except InputError as error:
        logging.getLogger(__name__).warning("descriptors are not whitened: %s", error)
        return build_model(descriptor_config(pooling="rmac"), bars=bars)


def _model_of(path: Path) -> ImageModel:
    model = load_model(path / MODEL_FOLDER)
    IndexStore.open(path, fingerprint=model.fingerprint)
    return model


def _goes_on(
    store: IndexStore,
    records: Sequence[Record],
    source: str,
    model: fdl.Config[ModelSpec] | ImageModel | None,
) -> bool:
    """Whether an index without images was begun with this model and collection.

    Then the vectors that an interrupted first run has left are worth keeping.
    """
    if not any((store.path / PENDING).glob("*.npy")):
        return False
    if store.manifest.info.get("source") != source:
        return False
    if model is not None:
        return _is_model_of(store.path, model)
    usual = default_model(len(records)), descriptor_config(pooling="rmac")
    return any(_is_model_of(store.path, config) for config in usual)


def _is_model_of(path: Path, wanted: fdl.Config[ModelSpec] | ImageModel) -> bool:
    if isinstance(wanted, ImageModel):
        return IndexStore.open(path).manifest.fingerprint == wanted.fingerprint
    stored = path / MODEL_FOLDER / CONFIG_FILE
    text = config_to_json(folded_config(wanted))
    return stored.exists() and stored.read_text(errors="replace") == text


def _refuse_other_model(path: Path, wanted: fdl.Config[ModelSpec] | ImageModel) -> None:
    if not _is_model_of(path, wanted):
        raise InputError(
            f"the index {path} was made by another model than the one asked for; leave "
            "--model away to add to it, or choose another --out"
        )
