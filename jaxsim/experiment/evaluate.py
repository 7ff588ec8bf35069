"""Runs an experiment: builds its model, describes its data, judges the rankings."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import fiddle as fdl
import numpy as np

from jaxsim.core.environment import cache_folder, device_name, versions
from jaxsim.core.errors import InputError
from jaxsim.core.progress import Bars, no_bars
from jaxsim.core.ranking import Comparison
from jaxsim.data.records import Record, RetrievalSet
from jaxsim.data.rejects import Reject
from jaxsim.evaluation.classification import evaluate_classification
from jaxsim.evaluation.protocols.base import Protocol, queries_of
from jaxsim.evaluation.result import EvaluationResult, SetResult
from jaxsim.evaluation.runner import evaluate_stages
from jaxsim.experiment.build import build_model
from jaxsim.experiment.collection import Collection
from jaxsim.experiment.construct import construct
from jaxsim.experiment.experiments import ClassificationExperiment, RetrievalExperiment
from jaxsim.experiment.graph_experiment import GraphExperiment
from jaxsim.experiment.indexing import fit_sample
from jaxsim.experiment.reranking import build_stages
from jaxsim.experiment.stage_names import StageName, asked_stages
from jaxsim.experiment.training_experiment import TrainingExperiment
from jaxsim.pipeline.embed import CompiledShapes, Embedder, Embedding
from jaxsim.pipeline.graph_model import GraphModel
from jaxsim.pipeline.model import ImageModel
from jaxsim.pipeline.rank import Search, complete_rankings, ranked_in_stages
from jaxsim.pipeline.similarity import SimilarityModel
from jaxsim.rerank.base import Gallery
from jaxsim.rerank.chain import Chain
from jaxsim.rerank.graph import TrainedGraph
from jaxsim.rerank.similarity import Similarity

_COMPARISONS = {
    "cosine": "inner product of unit vectors",
    "distance": "Euclidean distance; scores are minus its square",
}
_SEARCHES = {
    "exact": "exact",
    "sharded": "exact, over devices",
    "faiss": "faiss, flat index",
}


def evaluate(
    config: fdl.Config,
    root: Path,
    *,
    model: ImageModel | None = None,
    search: Search = "exact",
    rerank: str | None = None,
    similarity: SimilarityModel | None = None,
    graph: GraphModel | None = None,
    bars: Bars = no_bars,
) -> tuple[EvaluationResult, list[RetrievalSet]]:
    """Measures what a config describes on some data.

    Args:
      config: of a `RetrievalExperiment` or a `ClassificationExperiment`; or of a
        `TrainingExperiment` or a `GraphExperiment`, for what it measures before
        training.
      root: what the experiment's `data` takes: the folder of a data set, or for some
        a manifest or "tfds:NAME:SPLIT".
      model: measured instead of the config's own, such as one that was trained.
      search: who ranks the images.
      rerank: stages that make the rankings better, such as "dba:20,qe:10".
      similarity: re-scores the first results, in the stage "learned" or else the last.
      graph: gives other descriptors, in the stage "gss" or else the first.
      bars: shows progress.

    Returns:
      The result; and the retrieval sets, for showing their images (a classification
      has none).

    Raises:
      InputError: files are missing, or the data does not fit the protocol.
      WeightsError: the weights cannot be read or do not fit.
      MissingExtraError: faiss is asked for and not installed.
    """
    if fdl.get_callable(config) is ClassificationExperiment:
        if model is not None:
            raise InputError(
                "this config classifies, and a model of descriptors cannot. Measure it "
                "by a config that ranks images, such as configs/folder.py"
            )
        return _classify(construct(config), config, root, bars)
    stages = asked_stages(
        rerank, similarity=similarity is not None, graph=graph and graph.trained
    )
    config = retrieval_config(config)
    experiment: RetrievalExperiment = construct(config)
    sets = experiment.data(root)
    if not sets:
        raise InputError(
            f"'{root}' has nothing to measure: this config measures the test part of "
            "data that has a train and a test part. Add one, or use configs/folder.py"
        )
    shapes: CompiledShapes = set()
    if model is None:
        fit = experiment.fit_data
        model = build_model(
            config.model,
            fit(root) if fit and experiment.model.fits_whitening else None,
            bars=bars,
            compiled_shapes=shapes,
        )
    if graph is not None:
        graph.check_described_by(model.fingerprint)
    if similarity is not None:
        similarity.check_described_by(model.fingerprint)
    embedder = Embedder(model, compiled_shapes=shapes)
    collection = Collection(sets)
    started = time.perf_counter()
    with bars("embed", len(collection.records)) as progress:
        embedding = embedder.embed(collection.records, progress)
    seconds = time.perf_counter() - started
    outcomes = [
        judge(
            data,
            experiment.protocol,
            partial(collection.part, embedding),
            bars,
            comparison=model.comparison,
            search=search,
            stages=stages,
            similarity=similarity and similarity.similarity(),
            graph=graph and graph.trained,
        )
        for data in sets
    ]
    result = evaluation_result(
        outcomes,
        model=model,
        source=str(root),
        images=int(embedding.found.sum()),
        rejects=[*(r for data in sets for r in data.rejects), *embedding.rejects],
        timings=_timings(embedder, embedding, seconds),
    )
    return result, sets


def retrieval_config(config: fdl.Config) -> fdl.Config[RetrievalExperiment]:
    """Returns the config, or what a training config measures as one of its own."""
    kind = fdl.get_callable(config)
    if kind is RetrievalExperiment:
        return config
    if kind not in (TrainingExperiment, GraphExperiment):
        raise InputError(
            f"the config describes a {kind.__name__}; what can be evaluated is a "
            "RetrievalExperiment or a ClassificationExperiment, such as that of "
            "configs/folder.py, a TrainingExperiment or a GraphExperiment"
        )
    if config.measure is None:
        raise InputError("the config trains and measures nothing; give it a measure")
    if kind is GraphExperiment:
        return _before_the_graph(config)
    return fdl.Config(
        RetrievalExperiment,
        model=config.model,
        data=config.measure.data,
        protocol=config.measure.protocol,
        fit_data=fdl.Partial(_sample_of, images=config.data),
    )


def _before_the_graph(config: fdl.Config) -> fdl.Config[RetrievalExperiment]:
    """Returns what measures the descriptors that a graph is to be trained on."""
    if (
        config.published is not None
        or config.descriptors is not None
        or config.descriptor is None
    ):
        raise InputError(
            "the config reads descriptors and describes no images. Measure them by "
            "'jaxsim rerank compare' of the same config and --data; where it has "
            "descriptors=FILE, leave that away to describe the images here"
        )
    return fdl.Config(
        RetrievalExperiment,
        model=config.descriptor,
        data=config.measure.data,
        protocol=config.measure.protocol,
        fit_data=fdl.Partial(_sample_of, images=config.fit_data or config.data),
    )


def _sample_of(
    root: Path, *, images: Callable[[Path], Sequence[Record]]
) -> list[Record]:
    """Returns the images that training would fit whitening on."""
    return fit_sample(images(root))


def ranks_images(config: fdl.Config) -> bool:
    """Returns whether an evaluation of this config has rankings of images to show."""
    return fdl.get_callable(config) is not ClassificationExperiment


def judge(
    data: RetrievalSet,
    protocol: Protocol,
    embedding_of: Callable[[Sequence[Record]], Embedding],
    bars: Bars,
    *,
    comparison: Comparison = "cosine",
    search: Search = "exact",
    stages: Sequence[StageName] = (),
    similarity: Similarity | None = None,
    graph: TrainedGraph | None = None,
) -> SetResult:
    """Ranks and judges one retrieval set.

    With stages of re-ranking the metrics are those of the last stage; those before have
    their name in front, "first/" for the ranking by descriptors.

    Args:
      data: the queries and the database.
      protocol: which results are right, and what is measured.
      embedding_of: gives the descriptors of the database and of the queries.
      bars: shows progress.
      comparison: of the model that made the descriptors.
      search: who ranks.
      stages: make the rankings better.
      similarity: of the stages that need one.
      graph: likewise.

    Raises:
      MissingExtraError: faiss is asked for and not installed.
      InputError: re-ranking is asked for descriptors that are no unit vectors.
    """
    database = embedding_of(data.database)
    queries = database if data.queries is None else embedding_of(data.queries)
    rank = complete_rankings(queries, database, comparison=comparison, search=search)
    ranked_by = {"comparison": _COMPARISONS[comparison], "search": _SEARCHES[search]}
    if stages and comparison != "cosine":
        raise InputError(
            "--rerank needs descriptors that are unit vectors, and this model's are "
            "compared by Euclidean distance. Leave --rerank away"
        )
    built = build_stages(
        stages,
        queries=queries_of(data),
        database=data.database,
        features_folder=cache_folder() / "features",
        similarity=similarity,
        graph=graph,
    )
    chain = Chain(Gallery(database.vectors, database.found), built)
    with bars(f"evaluate {data.name}", len(queries_of(data)), "queries") as progress:
        outcomes = evaluate_stages(
            data,
            protocol,
            ranked_in_stages(rank, queries, chain),
            stages=1 + len(stages),
            progress=progress,
        )
    return _with_earlier_stages(outcomes, chain, ranked_by)


def _with_earlier_stages(
    outcomes: Sequence[SetResult], chain: Chain, ranked_by: dict[str, str]
) -> SetResult:
    *earlier, last = outcomes
    names = ["first", *(stage.name for stage in chain.stages)]
    metrics, definitions = dict(last.metrics), dict(last.definitions)
    for name, outcome in zip(names, earlier, strict=False):
        where = "by descriptors alone" if name == "first" else f"after {name}"
        for metric, value in outcome.metrics.items():
            metrics[f"{name}/{metric}"] = value
            text = outcome.definitions[metric].removesuffix(".")
            definitions[f"{name}/{metric}"] = f"{text}, {where}."
    if chain.stages:
        ranked_by = ranked_by | {"rerank": ", ".join(names[1:])}
    return replace(
        last,
        metrics=metrics,
        definitions=definitions,
        protocol=last.protocol | ranked_by,
        timings=chain.milliseconds(len(last.num_positives)),
    )


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
        timings=timings
        | {
            f"{s.name}/{name}": value for s in sets for name, value in s.timings.items()
        },
    )


def describe_model(model: ImageModel) -> dict[str, str]:
    """Returns what a person needs to know of a model."""
    network, preprocessing = model.module, model.preprocessing
    return {
        "backbone": _short(network.backbone),
        "pooling": _short(getattr(network, "pooling", None)),
        "whitening": _whitening(network),
        "dimension": str(model.dimension),
        "preprocessing": (
            f"{preprocessing.resize} side {preprocessing.size_px} px, "
            f"{preprocessing.interpolation}"
            + (f", centre {preprocessing.crop_px} px" * bool(preprocessing.crop_px))
        ),
        "scales": ", ".join(f"{scale:g}" for scale in model.scales),
        "fingerprint": model.fingerprint,
    }


def _whitening(network) -> str:
    regions = getattr(getattr(network, "pooling", None), "whiten_dim", None)
    whole = getattr(network, "whiten_dim", None)
    parts = [f"regions to {regions} numbers"] if regions else []
    return ", ".join(parts + ([f"to {whole} numbers"] if whole else [])) or "none"


def _short(module: object) -> str:
    """Returns a module's class, and in words what differs from its defaults."""
    if module is None:
        return "none"
    fields = getattr(module, "__dataclass_fields__", {})
    changed = [
        f"{name} {getattr(module, name)}"
        for name, field in fields.items()
        if name not in ("parent", "name", "folded", "dtype")
        and getattr(module, name) != field.default
    ]
    return type(module).__name__ + f" ({', '.join(changed)})" * bool(changed)
