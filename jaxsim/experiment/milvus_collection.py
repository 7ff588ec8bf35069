"""Searches a collection of Milvus by photos."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import Ranking
from jaxsim.data.records import Record
from jaxsim.data.rejects import Reject
from jaxsim.experiment import indexing, parts_folder
from jaxsim.experiment.build import load_model, open_trained
from jaxsim.index.milvus import MilvusIndex
from jaxsim.index.milvus_server import Place
from jaxsim.pipeline.embed import Embedder
from jaxsim.pipeline.model import PARAMETERS_FILE, ImageModel


@dataclass(frozen=True, kw_only=True)
class CollectionAnswer:
    """What was found.

    Attributes:
      ranking: ids are those of the collection.
      rows: the columns of all rows that were found, by id.
      rejects: queries that cannot be used.
    """

    ranking: Ranking
    rows: dict[int, dict[str, Any]]
    rejects: tuple[Reject, ...]


def search_collection(
    place: Place,
    described_by: Path,
    queries: Sequence[Record],
    k: int,
    *,
    where: str = "",
    batch_size: int = 16,
) -> CollectionAnswer:
    """Returns the k most similar rows of a collection for each query.

    Args:
      place: of the collection.
      described_by: has the model that describes the queries: an index, a folder of
        parts that `jaxsim embed` built its model for, or RUN/model.
      queries: images.
      k: results per query.
      where: which rows may be found; see `MilvusIndex.search`.
      batch_size: images per program run.

    Raises:
      InputError: there is no such collection or model, or the collection was made by
        another one.
    """
    index = MilvusIndex.open(place)
    try:
        model = describing_model(described_by)
        index.layout.require_model(model.fingerprint, model.dimension, place)
        embedding = Embedder(model, batch_size=batch_size).embed(queries)
        found = np.flatnonzero(embedding.found)
        answer = index.search(embedding.vectors[found], k, where=where)
        ids = np.full((len(queries), k), -1, np.int64)
        scores = np.full((len(queries), k), -np.inf, np.float32)
        ids[found], scores[found] = answer.ids, answer.scores
        rows = index.rows(np.unique(ids[ids >= 0]).tolist())
    finally:
        index.close()
    return CollectionAnswer(
        ranking=Ranking(ids, scores), rows=rows, rejects=embedding.rejects
    )


def describing_model(folder: Path) -> ImageModel:
    """Loads the model in an index, beside parts, or in a folder of its own.

    Raises:
      InputError: there is none, or its descriptors are no unit vectors.
    """
    if folder.is_file():
        raise InputError(
            f"'{folder}' is a file and holds no model that could describe queries. "
            "Give the index, the folder of parts (`jaxsim embed --parts`) or the "
            "RUN/model that describes the photos of the collection"
        )
    inside = [folder / n for n in (indexing.MODEL_FOLDER, parts_folder.MODEL_FOLDER)]
    place = next((p for p in inside if (p / PARAMETERS_FILE).is_file()), None)
    model = open_trained(folder) if place is None else load_model(place)
    indexing.require_unit_vectors(model)
    return model
