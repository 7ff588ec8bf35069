"""Similarities that runs left behind."""

import json
from pathlib import Path

import fiddle as fdl

from jaxsim.core.errors import IndexFormatError, InputError
from jaxsim.experiment.construct import construct
from jaxsim.experiment.run import MODEL_FOLDER
from jaxsim.experiment.serialisation import config_from_json, config_to_json
from jaxsim.experiment.similarity_experiment import STAGES
from jaxsim.nn.similarity import SimilarityNetwork
from jaxsim.pipeline.model import load_variables
from jaxsim.pipeline.similarity import SIMILARITY_FILE, SimilarityModel
from jaxsim.training.objectives.base import Objective
from jaxsim.training.objectives.similarity import ImagePairObjective

SIMILARITY = "similarity"
"""The field of an objective of images that holds one, and the folder of a run."""


def similarity_model(
    config: fdl.Config[SimilarityNetwork], variables: dict, *, described_by: str
) -> SimilarityModel:
    """Returns a trained network as what is stored.

    Args:
      config: of the network.
      variables: its parameters.
      described_by: fingerprint of the model that made the descriptors.
    """
    return SimilarityModel(
        network=construct(config),
        variables=variables,
        described_by=described_by,
        config=config_to_json(config),
    )


def open_similarity(folder: Path) -> SimilarityModel:
    """Loads the similarity that a training run left in its folder.

    Args:
      folder: of a run; of its stages the last is taken; or their model/.

    Raises:
      InputError: there is none.
      IndexFormatError: it is damaged, or of another version.
    """
    folder = folder.expanduser()
    stages = [folder / stage / MODEL_FOLDER for stage in reversed(STAGES)]
    places = [folder, folder / MODEL_FOLDER, folder / SIMILARITY, *stages]
    place = next((p for p in places if (p / SIMILARITY_FILE).is_file()), None)
    if place is None:
        raise InputError(
            f"there is no similarity in '{folder}'. Give the folder of a finished run, "
            "such as RUN of 'jaxsim train configs/deepsim.py --out RUN'"
        )
    path = place / SIMILARITY_FILE
    try:
        about = json.loads(path.read_text())
        network, described_by = json.dumps(about["network"]), str(about["described_by"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise IndexFormatError(
            f"the similarity {path} cannot be read ({error}). Train it again into a "
            "new folder"
        ) from error
    config = config_from_json(network, source=str(path))
    return SimilarityModel(
        network=construct(config),
        variables=load_variables(place),
        described_by=described_by,
        config=network,
    )


def require_same_network(trained: SimilarityNetwork, config: SimilarityNetwork) -> None:
    """Raises InputError unless parameters of one network mean the same in another.

    Args:
      trained: that has the parameters.
      config: that is to go on with them.
    """
    for name in ("dim", "widths", "symmetric"):
        old, new = getattr(trained, name), getattr(config, name)
        if old != new:
            raise InputError(
                f"the similarity to start from has {name}={old}, and the config "
                f"{name}={new}. Give both the same"
            )


def put_similarity(params: dict, objective: Objective, model: SimilarityModel) -> None:
    """Replaces the similarity among an objective's parameters by one that was trained.

    Args:
      params: of the objective, changed.
      objective: that the similarity is a part of.
      model: the similarity.

    Raises:
      InputError: the objective has none, or one of other sizes.
    """
    if not isinstance(objective, ImagePairObjective):
        raise InputError(
            "`similarity` names a trained similarity, and the objective has none. Use "
            "ImagePairObjective, or leave it away"
        )
    require_same_network(model.network, objective.similarity)
    params[SIMILARITY] = model.variables["params"]
