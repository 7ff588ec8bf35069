"""Trained graphs that runs left behind."""

from pathlib import Path

from jaxsim.core.errors import InputError
from jaxsim.experiment.construct import construct
from jaxsim.experiment.run import MODEL_FOLDER
from jaxsim.experiment.serialisation import config_from_json
from jaxsim.pipeline.graph_model import (
    GRAPH_FILE,
    GraphModel,
    load_trained,
    read_about,
)


def open_graph(folder: Path) -> GraphModel:
    """Loads the trained graph that a run left in its folder.

    Args:
      folder: of a run, or its model/.

    Raises:
      InputError: there is none.
      IndexFormatError: it is damaged, or of another version.
    """
    folder = folder.expanduser()
    places = [folder, folder / MODEL_FOLDER]
    place = next((p for p in places if (p / GRAPH_FILE).is_file()), None)
    if place is None:
        raise InputError(
            f"there is no trained graph in '{folder}'. Give the folder of a finished "
            "run, such as RUN of 'jaxsim train configs/gss.py --out RUN'"
        )
    about = read_about(place)
    config = config_from_json(about["network"], source=str(place / GRAPH_FILE))
    trained = load_trained(
        place,
        construct(config),
        query_neighbours=about["query_neighbours"],
        verified_queries=about["verified_queries"],
    )
    return GraphModel(
        trained=trained, described_by=about["described_by"], config=about["network"]
    )
