"""Trained graphs that runs left behind."""

import logging
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from jaxsim.core.errors import InputError
from jaxsim.experiment.construct import construct
from jaxsim.experiment.run import MODEL_FOLDER
from jaxsim.experiment.serialisation import config_from_json
from jaxsim.ops.neighbours import nearest_neighbours
from jaxsim.pipeline.graph_model import (
    GRAPH_FILE,
    GraphModel,
    load_trained,
    read_about,
)
from jaxsim.rerank.graph import SAME, TrainedGraph

_log = logging.getLogger(__name__)


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


def tell_changes(
    trained: TrainedGraph, vectors: Float32[np.ndarray, "N D"], where: Path
) -> None:
    """Warns if images that are searched are not those that a graph was trained on.

    Args:
      trained: the graph.
      vectors: float32 [N, D], descriptors of the images, unit length.
      where: they are, for the message.
    """
    mine = trained.vectors
    if mine.shape == vectors.shape and np.array_equal(mine, vectors):
        return
    new = int((~trained.holds(vectors)).sum())
    kept = {vector.tobytes() for vector in vectors}
    rest = np.array([i for i, v in enumerate(mine) if v.tobytes() not in kept], int)
    gone = 0
    if len(rest) and len(vectors):
        found = nearest_neighbours(mine[rest], vectors, 1)
        gone = int((found.scores[:, 0] < SAME).sum())
    if new or gone:
        _log.warning(
            "the images of %s are not those that the graph was trained on: %d of %d "
            "are new and described from their neighbours in it, and %d of its %d are "
            "not there any more. Train it again, into a new folder, once these are "
            "many",
            where,
            new,
            len(vectors),
            gone,
            len(mine),
        )
