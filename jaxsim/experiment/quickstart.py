"""The whole job once, small: data, descriptors, an index, numbers."""

import time
from pathlib import Path

import numpy as np

from jaxsim.core.progress import Bars, no_bars
from jaxsim.data.datasets import photo_views
from jaxsim.data.records import RetrievalSet
from jaxsim.evaluation.protocols.same_label import SameLabel
from jaxsim.evaluation.result import EvaluationResult
from jaxsim.experiment.descriptors import descriptor_config
from jaxsim.experiment.evaluate import evaluation_result, judge
from jaxsim.experiment.indexing import index_images, open_engine
from jaxsim.index.storage import IndexStore
from jaxsim.pipeline.embed import Embedding

SIZE_PX = 224


def quickstart(
    out: Path, *, bars: Bars = no_bars
) -> tuple[EvaluationResult, list[RetrievalSet]]:
    """Makes photo_views, indexes its test images and measures their retrieval.

    Region whitening is fitted on the training photographs, which show none of the
    scenes that are searched.

    Args:
      out: folder that gets data/ and index/; what is there already is used again.
      bars: shows progress.

    Returns:
      What `jaxsim.experiment.evaluate.evaluate` returns.

    Raises:
      InputError: the folder cannot be written, or holds another index.
    """
    sets = photo_views.load(out / "data")
    database = sets[0].database
    started = time.perf_counter()
    report = index_images(
        out / "index",
        database,
        source=f"tfds:{photo_views.prepare(out / 'data')}:test",
        model=descriptor_config(pooling="rmac", whiten="regions", size_px=SIZE_PX),
        fit_records=photo_views.records(out / "data", "train"),
        bars=bars,
    )
    seconds = time.perf_counter() - started
    embedding = stored_embedding(IndexStore.open(out / "index"), database)
    outcome = judge(sets[0], SameLabel(), lambda records: embedding, bars)
    engine = open_engine(out / "index")
    result = evaluation_result(
        [outcome],
        model=engine.embedder.model,
        source="photo_views, made from the photographs of scikit-image",
        images=report.images,
        rejects=report.rejects,
        timings={"index_s": seconds, "compilations": float(report.compilations)},
    )
    return result, sets


def stored_embedding(store: IndexStore, database) -> Embedding:
    """Returns the descriptors of a collection as its index holds them."""
    row_of = {store.rows[row].name: row for row in store.live_ids.tolist()}
    rows = np.array([row_of.get(record.name, -1) for record in database])
    found = rows >= 0
    vectors = np.zeros((len(rows), store.dimension), np.float32)
    vectors[found] = store.take(rows[found])
    return Embedding(vectors=vectors, found=found, rejects=())
