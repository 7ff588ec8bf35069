"""From a model's config to a model that can describe images, and back from a folder."""

import copy
import dataclasses
from collections.abc import Sequence
from pathlib import Path

import fiddle as fdl

from jaxsim.core.errors import IndexFormatError, InputError
from jaxsim.core.progress import Bars, no_bars
from jaxsim.data.records import Record
from jaxsim.experiment.construct import construct
from jaxsim.experiment.model_spec import RANDOM, ModelSpec
from jaxsim.experiment.serialisation import config_from_json, config_to_json
from jaxsim.export.about import ABOUT_FILE
from jaxsim.export.bundle import load_bundle
from jaxsim.nn.backbones.fold import fold_batch_norm
from jaxsim.nn.backbones.pretrained import load_pretrained, pretrained_file
from jaxsim.nn.descriptor import Descriptor
from jaxsim.nn.pooling import Rmac
from jaxsim.pipeline.embed import CompiledShapes, Embedder
from jaxsim.pipeline.fit_whitening import (
    fit_descriptor_whitening,
    fit_region_whitening,
    with_whitening,
)
from jaxsim.pipeline.graph_model import GRAPH_FILE
from jaxsim.pipeline.model import (
    CONFIG_FILE,
    MAKE_AGAIN,
    PARAMETERS_FILE,
    ImageModel,
    load_variables,
)
from jaxsim.pipeline.similarity import SIMILARITY_FILE


def build_model(
    config: fdl.Config[ModelSpec],
    fit_records: Sequence[Record] | None = None,
    *,
    bars: Bars = no_bars,
    compiled_shapes: CompiledShapes | None = None,
) -> ImageModel:
    """Loads weights, folds batch norm and fits whitening layers.

    Args:
      config: of the model.
      fit_records: images to fit whitening on; needed only if the model whitens.
      bars: shows the progress of the fit.
      compiled_shapes: gets the shapes that the fit compiles programs for.

    Raises:
      WeightsError: the weights cannot be read or do not fit.
      InputError: the model whitens but there is nothing to fit on, or too little; or
        its weights are random.
    """
    spec = construct(config)
    if spec.weights == RANDOM:
        raise InputError(
            "this model is trained from nothing, so that it has no weights of its own. "
            "Train it by `jaxsim train CONFIG --out RUN` and give --model RUN/model"
        )
    backbone = spec.network.backbone
    file = pretrained_file(backbone, spec.weights)
    variables = fold_batch_norm(
        load_pretrained(spec.network, file, whole=spec.whitening == "imported"),
        epsilon=backbone.epsilon,
    )
    folded = folded_config(config)
    spec = construct(folded)
    model = ImageModel(
        module=spec.network,
        variables=variables,
        preprocessing=spec.preprocessing,
        scales=spec.scales,
        config=config_to_json(folded),
    )
    shapes = set() if compiled_shapes is None else compiled_shapes
    return _fit(model, spec, fit_records, bars, shapes)


def folded_config(config: fdl.Config[ModelSpec]) -> fdl.Config[ModelSpec]:
    """Returns the config of the same model with batch norm folded, as it is stored."""
    folded = copy.deepcopy(config)
    folded.network.backbone.folded = True
    return folded


def load_model(folder: Path) -> ImageModel:
    """Rebuilds a model from the folder `ImageModel.save` wrote.

    Raises:
      IndexFormatError: files are missing or damaged, or of another version.
    """
    path = folder / CONFIG_FILE
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise IndexFormatError(
            f"the model description {path} cannot be read ({error}). {MAKE_AGAIN}"
        ) from error
    spec = _build_spec(config_from_json(text, source=str(path)), path)
    return ImageModel(
        module=spec.network,
        variables=load_variables(folder),
        preprocessing=spec.preprocessing,
        scales=spec.scales,
        config=text,
    )


def open_trained(folder: Path) -> ImageModel:
    """Loads the model that a training run left in its folder, or an exported bundle.

    Args:
      folder: RUN/model, or the folder of `jaxsim export --format bundle`.

    Raises:
      InputError: there is no model.
      IndexFormatError: it is damaged, or of another version.
    """
    folder = folder.expanduser()
    if (folder / ABOUT_FILE).is_file():
        bundle = load_bundle(folder)
        if not isinstance(bundle, ImageModel):
            raise InputError(
                f"'{folder}' holds a similarity, which describes no images. Give the "
                "model that describes them"
            )
        return bundle
    _refuse_others(folder)
    if not (folder / PARAMETERS_FILE).is_file():
        inside = [folder / "model", folder / "descriptor"]
        place = next((p for p in inside if (p / PARAMETERS_FILE).is_file()), None)
        found = f", such as {place}" if place else ""
        raise InputError(
            f"there is no model in '{folder}'. Give the folder model/ that `jaxsim "
            f"train` leaves at the end of a run{found}"
        )
    return load_model(folder)


def _refuse_others(folder: Path) -> None:
    """Raises InputError if a run has left something else than a descriptor."""
    for file, kind in ((SIMILARITY_FILE, "similarity"), (GRAPH_FILE, "graph")):
        if any((place / file).is_file() for place in (folder, folder / "model")):
            raise InputError(
                f"'{folder}' holds a trained {kind}, which describes no photos. Take "
                "--model RUN/descriptor, or the model that made its descriptors if the "
                f"run did not; then search by jaxsim search INDEX QUERY --{kind} RUN"
            )


def _build_spec(config: fdl.Config, path: Path) -> ModelSpec:
    try:
        spec = construct(config)
    except (TypeError, ValueError, InputError) as error:
        raise IndexFormatError(
            f"the model description {path} cannot be used ({error}). {MAKE_AGAIN}"
        ) from error
    if not isinstance(spec, ModelSpec):
        raise IndexFormatError(
            f"{path} describes a {type(spec).__name__} instead of a model. {MAKE_AGAIN}"
        )
    return spec


def _fit(
    model: ImageModel,
    spec: ModelSpec,
    records: Sequence[Record] | None,
    bars: Bars,
    shapes: CompiledShapes,
) -> ImageModel:
    if not spec.fits_whitening or not isinstance(spec.network, Descriptor):
        return model
    pooling, whole = spec.network.pooling, spec.network.whiten_dim
    regions = pooling.whiten_dim if isinstance(pooling, Rmac) else None
    if not records:
        raise InputError(
            "this model whitens its descriptors and has no images to fit that on. Give "
            "the config fit_data, or use whiten=none"
        )
    if regions is not None:
        with bars("fit whitening", len(records) * len(model.scales)) as progress:
            whitening = fit_region_whitening(
                Embedder(model, compiled_shapes=shapes),
                records,
                dim=regions,
                progress=progress,
            )
        variables = with_whitening(model, whitening, path=("pooling", "whiten"))
        model = dataclasses.replace(model, variables=variables)
    if whole is not None and spec.whitening != "imported":
        with bars("fit whitening", len(records) * len(model.scales)) as progress:
            whitening = fit_descriptor_whitening(
                Embedder(model, compiled_shapes=shapes),
                records,
                dim=whole,
                kind=spec.whitening,
                progress=progress,
            )
        variables = with_whitening(model, whitening, path=("whiten",))
        model = dataclasses.replace(model, variables=variables)
    return model
