"""Runs an experiment: builds its model, describes its data, judges the rankings."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

import fiddle as fdl
import numpy as np

from jaxsim.core.environment import device_name, versions
from jaxsim.core.errors import InputError
from jaxsim.core.progress import Bars, no_bars
from jaxsim.data.records import Record, RetrievalSet
from jaxsim.data.rejects import Reject
from jaxsim.evaluation.classification import evaluate_classification
from jaxsim.evaluation.protocols.base import Protocol, queries_of
from jaxsim.evaluation.result import EvaluationResult, SetResult
from jaxsim.evaluation.runner import evaluate_set
from jaxsim.experiment.build import build_model
from jaxsim.experiment.construct import construct
from jaxsim.experiment.experiments import ClassificationExperiment, RetrievalExperiment
from jaxsim.pipeline.embed import CompiledShapes, Embedder, Embedding
from jaxsim.pipeline.model import ImageModel
from jaxsim.pipeline.rank import rank_all


def evaluate(
    config: fdl.Config, root: Path, *, bars: Bars = no_bars
) -> tuple[EvaluationResult, list[RetrievalSet]]:
    """Measures what a config describes on some data.

    Args:
      config: of a `RetrievalExperiment` or a `ClassificationExperiment`.
      root: what the experiment's `data` takes: the folder of a data set, or for some
        a manifest or "tfds:NAME:SPLIT".
      bars: shows progress.

    Returns:
      The result; and the retrieval sets, for showing their images (a classification
      has none).

    Raises:
      InputError: files are missing, or the data does not fit the protocol.
      WeightsError: the weights cannot be read or do not fit.
    """
    experiment = construct(config)
    if isinstance(experiment, ClassificationExperiment):
        return _classify(experiment, config, root, bars)
    if not isinstance(experiment, RetrievalExperiment):
        raise InputError(
            f"the config describes a {type(experiment).__name__}; what can be "
            "evaluated is a RetrievalExperiment or a ClassificationExperiment, such as "
            "that of configs/folder.py"
        )
    sets = experiment.data(root)
    fit = experiment.fit_data
    shapes: CompiledShapes = set()
    model = build_model(
        config.model,
        None if fit is None else fit(root),
        bars=bars,
        compiled_shapes=shapes,
    )
    embedder = Embedder(model, compiled_shapes=shapes)
    started = time.perf_counter()
    collection = _Collection(embedder, sets, bars)
    seconds = time.perf_counter() - started
    protocol = experiment.protocol
    result = evaluation_result(
        [judge(data, protocol, collection.of, bars) for data in sets],
        model=model,
        source=str(root),
        images=int(collection.embedding.found.sum()),
        rejects=[
            *(reject for data in sets for reject in data.rejects),
            *collection.embedding.rejects,
        ],
        timings=_timings(embedder, collection.embedding, seconds),
    )
    return result, sets


def ranks_images(config: fdl.Config) -> bool:
    """Returns whether an evaluation of this config has rankings of images to show."""
    return fdl.get_callable(config) is not ClassificationExperiment


class _Collection:
    """Descriptors of all images of some sets, each image described once."""

    def __init__(self, embedder: Embedder, sets: Sequence[RetrievalSet], bars: Bars):
        records = {
            (record.name, record.box): record
            for data in sets
            for record in [*data.database, *(data.queries or ())]
        }
        self._rows = {key: row for row, key in enumerate(records)}
        unique = list(records.values())
        with bars("embed", len(unique)) as progress:
            self.embedding = embedder.embed(unique, progress)

    def of(self, records: Sequence[Record]) -> Embedding:
        """Returns the descriptors of some of the images."""
        rows = [self._rows[record.name, record.box] for record in records]
        return Embedding(
            vectors=self.embedding.vectors[rows],
            found=self.embedding.found[rows],
            rejects=(),
        )


def judge(
    data: RetrievalSet,
    protocol: Protocol,
    embedding_of: Callable[[Sequence[Record]], Embedding],
    bars: Bars,
) -> SetResult:
    """Ranks and judges one retrieval set by cosine similarity.

    Args:
      data: the queries and the database.
      protocol: which results are right, and what is measured.
      embedding_of: gives the descriptors of the database and of the queries.
      bars: shows progress.
    """
    database = embedding_of(data.database)
    queries = database if data.queries is None else embedding_of(data.queries)

    def rank(rows):
        return rank_all(
            queries.vectors[rows],
            database.vectors,
            queries_found=queries.found[rows],
            database_found=database.found,
        )

    with bars(f"evaluate {data.name}", len(queries_of(data)), "queries") as progress:
        return evaluate_set(data, protocol, rank, progress=progress)


def _classify(
    experiment: ClassificationExperiment, config: fdl.Config, root: Path, bars: Bars
) -> tuple[EvaluationResult, list[RetrievalSet]]:
    records = experiment.data(root)
    embedder = Embedder(build_model(config.model))
    started = time.perf_counter()
    with bars("classify", len(records)) as progress:
        scores = embedder.embed(records, progress)
    seconds = time.perf_counter() - started
    logits = np.where(scores.found[:, None], scores.vectors, np.nan)
    labels = np.array([int(record.label or -1) for record in records])
    outcome = evaluate_classification(logits, labels, name=experiment.name)
    result = evaluation_result(
        [outcome],
        model=embedder.model,
        source=str(root),
        images=int(scores.found.sum()),
        rejects=scores.rejects,
        timings=_timings(embedder, scores, seconds),
    )
    return result, []


def _timings(
    embedder: Embedder, embedding: Embedding, seconds: float
) -> dict[str, float]:
    return {
        "embed_s": round(seconds, 2),
        "embed_images_per_s": round(len(embedding.found) / seconds, 1),
        "compilations": float(len(embedder.compiled_shapes)),
    }


def evaluation_result(
    sets: Sequence[SetResult],
    *,
    model: ImageModel,
    source: str,
    images: int,
    rejects: Sequence[Reject],
    timings: dict[str, float],
) -> EvaluationResult:
    """Puts outcomes together with what they were measured with."""
    return EvaluationResult(
        sets=tuple(sets),
        model=describe_model(model),
        data={"source": source, "images": str(images), "rejected": str(len(rejects))},
        rejects=tuple(rejects),
        versions=versions(),
        device=device_name(),
        timings=timings,
    )


def describe_model(model: ImageModel) -> dict[str, str]:
    """Returns what a person needs to know of a model."""
    network, preprocessing = model.module, model.preprocessing
    return {
        "backbone": _short(network.backbone),
        "pooling": _short(getattr(network, "pooling", None)),
        "whitening": str(getattr(network, "whiten_dim", None)),
        "dimension": str(model.dimension),
        "preprocessing": (
            f"{preprocessing.resize} side {preprocessing.size_px} px, "
            f"{preprocessing.interpolation}"
            + (f", centre {preprocessing.crop_px} px" * bool(preprocessing.crop_px))
        ),
        "scales": ", ".join(f"{scale:g}" for scale in model.scales),
        "fingerprint": model.fingerprint,
    }


def _short(module: object) -> str:
    """Returns a module's class and its settings that differ from the defaults."""
    if module is None:
        return "none"
    fields = getattr(module, "__dataclass_fields__", {})
    changed = [
        f"{name}={getattr(module, name)}"
        for name, field in fields.items()
        if name not in ("parent", "name", "folded", "dtype")
        and getattr(module, name) != field.default
    ]
    return f"{type(module).__name__}({', '.join(changed)})"
