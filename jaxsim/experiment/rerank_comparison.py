"""Several ways to re-rank, measured on the same descriptors, one beside the other."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float32, Int64

from jaxsim.core.environment import cache_folder, device_name, versions
from jaxsim.core.errors import InputError
from jaxsim.core.progress import Bars, no_bars
from jaxsim.core.ranking import Ranking
from jaxsim.core.rng import rng
from jaxsim.data.records import RetrievalSet
from jaxsim.evaluation.protocols.base import queries_of
from jaxsim.evaluation.runner import evaluate_set
from jaxsim.experiment.compared_sets import ComparedSets
from jaxsim.experiment.reranking import build_stages
from jaxsim.experiment.stage_names import (
    GRAPH,
    METHODS_OPTION,
    graph_stage,
    parse_stages,
    require_models,
)
from jaxsim.pipeline.embedding_map import EmbeddingMap
from jaxsim.pipeline.method_map import method_map, require_labels
from jaxsim.pipeline.rank import complete_rankings, ranked_in_stages
from jaxsim.pipeline.ranked_pairs import draw_pairs, write_scores
from jaxsim.rerank.base import Gallery
from jaxsim.rerank.chain import Chain, Stage
from jaxsim.rerank.external import ExternalScores, read_scores
from jaxsim.rerank.graph import TrainedGraph

ALL, COSINE = "all", "cosine"
METHODS = (
    COSINE,
    "qe",
    "alpha_qe",
    "dba+qe",
    "dfs",
    "offline",
    "fsr",
    "hybrid",
    "kreciprocal",
)
"""What is compared if nothing is asked for: a new method is a new name."""
_WARM = 256
_QUERIES_WITH_PAIRS = 1000


@dataclass(frozen=True, kw_only=True)
class MethodResult:
    """One method on one set.

    Attributes:
      name: of the method.
      stages: in the words of --rerank, "" for descriptors alone.
      metrics: as fractions.
      prepare_s: seconds before the first query, programs compiled or fetched included;
        not the training of a graph.
      ms_per_query: milliseconds, ranking all images by descriptors included.
      memory_bytes: of what is kept for queries, beyond the descriptors.
    """

    name: str
    stages: str
    metrics: dict[str, float]
    prepare_s: float
    ms_per_query: float
    memory_bytes: int


@dataclass(frozen=True, eq=False, kw_only=True)
class PairHistory:
    """Pairs of a query and an image, as scored by descriptors and by a method.

    Attributes:
      matching: bool [P].
      before: float32 [P], from 0 to 1, see `write_scores`; NaN for missing images.
      after: likewise.
    """

    matching: Bool[np.ndarray, " P"]
    before: Float32[np.ndarray, " P"]
    after: Float32[np.ndarray, " P"]


@dataclass(frozen=True, kw_only=True)
class SetComparison:
    """All methods on one set.

    Attributes:
      name: of the set.
      queries: how many ask.
      images: how many are ranked.
      definitions: of each metric, one sentence.
      methods: in the order asked for.
      best: the name of the method with the highest main metric.
      shown: the name of the method whose scores are drawn: "gss" if a graph was given,
        else the best one.
      pairs: how the descriptors and the method shown score pairs.
      mapped: the name of the method that the map is of: the one shown, or the best that
        is no file of scores, which say nothing of images that do not ask.
      map: descriptors, and what this method makes of them, as points; None where it is
        not wanted, or cannot be drawn.
    """

    name: str
    queries: int
    images: int
    definitions: dict[str, str]
    methods: tuple[MethodResult, ...]
    best: str
    shown: str
    pairs: PairHistory
    mapped: str
    map: EmbeddingMap | None


@dataclass(frozen=True, kw_only=True)
class RerankingComparison:
    """What was compared, and on what.

    Attributes:
      sets: one for each retrieval set.
      about: where the images and descriptors are from.
      device: that computed.
      versions: of the packages.
    """

    sets: tuple[SetComparison, ...]
    about: dict[str, str]
    device: str
    versions: dict[str, str]

    def to_json(self) -> dict:
        """Returns a JSON object: metrics (flat), timings, settings, versions, …."""
        metrics, timings = {}, {}
        for part in self.sets:
            for method in part.methods:
                at = f"{part.name}/{method.name}"
                metrics |= {f"{at}/{k}": v for k, v in method.metrics.items()}
                timings[f"{at}/prepare_s"] = method.prepare_s
                timings[f"{at}/ms_per_query"] = method.ms_per_query
                timings[f"{at}/memory_bytes"] = method.memory_bytes
        stages = {m.name: m.stages for part in self.sets for m in part.methods}
        return {
            "metrics": metrics,
            "timings": timings,
            "settings": self.about | {"methods": stages},
            "device": self.device,
            "versions": self.versions,
        }


def chosen_methods(text: str, *, graph: TrainedGraph | None = None) -> dict[str, str]:
    """Returns names and stages of the methods that are asked for, the cosine first.

    Args:
      text: "all", which are `METHODS`; or stages as --rerank takes them, alone or
        joined by +, with commas between the methods, such as "dfs, dba:20+dfs".
      graph: that stages named "gss" and "gssv" search by.

    Raises:
      InputError: there is no such method, or it needs a model that is not there.

    >>> chosen_methods("dfs, dba+dfs:50")
    {'cosine': '', 'dfs': 'dfs:20', 'dba+dfs:50': 'dba:20,dfs:50'}
    """
    option = METHODS_OPTION
    words = list(METHODS) if text.strip() == ALL else text.split(",")
    chosen = {COSINE: ""}
    for word in words:
        parts = [part.strip() for part in word.split("+")]
        if parts == [COSINE]:
            continue
        if "" in parts:
            raise InputError(
                f"{option} '{text}': a name is missing beside a comma or a +. Expected "
                f"'{ALL}', or names such as dfs,dba:20+qe:10"
            )
        if ALL in parts:
            raise InputError(
                f"{option} '{text}': '{ALL}' goes with no other name. Give it alone, "
                f"or the names that are wanted; it stands for {','.join(METHODS)}"
            )
        try:
            stages = parse_stages(",".join(parts), graph=graph, option=option)
        except InputError as error:
            raise InputError(
                f"{error}. Besides there are {COSINE} alone and '{ALL}'; stages are "
                "joined by +"
            ) from error
        require_models(stages, similarity=False, graph=graph is not None, option=option)
        chosen["+".join(parts)] = ",".join(map(str, stages))
    return chosen


def compare(
    compared: ComparedSets,
    *,
    methods: Mapping[str, str],
    scores: Mapping[str, Path] | None = None,
    graph: TrainedGraph | None = None,
    labels: Sequence[str] = (),
    drawn: bool = True,
    bars: Bars = no_bars,
) -> RerankingComparison:
    """Measures methods on the same descriptors.

    Args:
      compared: the sets with their descriptors.
      methods: stages of --rerank by the name of a method, see `chosen_methods`.
      scores: files of scores of other programs, by the name of their method.
      graph: one more method, "gss", as it was trained to be asked.
      labels: that are drawn in maps; the most frequent ones if there are none.
      drawn: whether maps are made.
      bars: shows progress.

    Raises:
      InputError: a file of scores cannot be used, or a set cannot be judged.
    """
    scores = scores or {}
    methods = dict(methods)
    if graph is not None:
        methods[GRAPH] = str(graph_stage(graph))
    if twice := sorted(set(scores) & set(methods)):
        raise InputError(
            f"--scores {twice[0]}=…: there is a method of this name; choose another"
        )
    if len(scores) and len(compared.sets) > 1:
        raise InputError(
            f"--scores belong to one set, and there are {len(compared.sets)}: "
            f"{', '.join(data.name for data in compared.sets)}. Choose one by --only"
        )
    if drawn:
        for data in compared.sets:
            require_labels(data.database, labels)
    return RerankingComparison(
        sets=tuple(
            _compare_set(compared, data, methods, scores, graph, labels, drawn, bars)
            for data in compared.sets
        ),
        about=dict(compared.about),
        device=device_name(),
        versions=versions(),
    )


def _compare_set(
    compared: ComparedSets,
    data: RetrievalSet,
    methods: Mapping[str, str],
    scores: Mapping[str, Path],
    graph: TrainedGraph | None,
    labels: Sequence[str],
    drawn: bool,
    bars: Bars,
) -> SetComparison:
    set_up = _SetUp(compared, data)
    outcomes: list[_Outcome] = []
    names = {**methods, **{name: f"scores of {path}" for name, path in scores.items()}}
    with bars(f"compare {data.name}", len(names), "methods") as progress:
        for name, stages in names.items():
            external = scores.get(name)
            built = _stages(stages, data, graph) if external is None else []
            if external is not None:
                built = [Stage(name, _external(external, data))]
            outcomes.append(set_up.measure(name, stages, built))
            progress(1)
    first, *others = outcomes
    best = max(others, key=_main, default=first)
    shown = best
    if graph is not None:
        shown = next(found for found in outcomes if found.result.name == GRAPH)
    mapped = shown
    if shown.result.name in scores:
        own = [found for found in others if found.result.name not in scores]
        mapped = max(own, key=_main, default=first)
    points = None
    if drawn:
        with bars(f"map {data.name}", 1, "maps") as progress:
            points = method_map(data.database, mapped.chain, labels=labels)
            progress(1)
    return SetComparison(
        name=data.name,
        queries=len(queries_of(data)),
        images=len(data.database),
        definitions=first.definitions,
        methods=tuple(outcome.result for outcome in outcomes),
        best=best.result.name,
        shown=shown.result.name,
        pairs=PairHistory(
            matching=set_up.pairs.matching, before=first.scores, after=shown.scores
        ),
        mapped=mapped.result.name,
        map=points,
    )


@dataclass(frozen=True, eq=False)
class _Outcome:
    result: MethodResult
    definitions: dict[str, str]
    scores: Float32[np.ndarray, " P"]
    chain: Chain


def _main(outcome: _Outcome) -> float:
    return next(iter(outcome.result.metrics.values()))


class _SetUp:
    """One set, whose methods all start from the same descriptors."""

    def __init__(self, compared: ComparedSets, data: RetrievalSet):
        self._data, self._protocol = data, compared.protocol
        self._database = compared.embedding_of(data.database)
        self._queries = (
            self._database
            if data.queries is None
            else compared.embedding_of(data.queries)
        )
        count = len(self._queries.vectors)
        judges = {judge.name: judge for judge in self._protocol.judges(data)}
        judge = judges[self._protocol.main].judge
        generator = rng(0, "pairs")
        some = np.sort(generator.permutation(count)[:_QUERIES_WITH_PAIRS]).tolist()
        judged = {row: judge(row) for row in some}
        self.pairs = draw_pairs(
            {row: (found.positives, found.ignored) for row, found in judged.items()},
            len(data.database),
            generator,
        )

    def measure(self, name: str, stages: str, built: Sequence[Stage]) -> _Outcome:
        started = time.perf_counter()
        gallery = Gallery(self._database.vectors, self._database.found)
        chain = Chain(gallery, built)
        prepared = time.perf_counter() - started
        rank = complete_rankings(self._queries, self._database, comparison="cosine")
        in_stages = ranked_in_stages(rank, self._queries, chain)
        count = len(self._queries.vectors)
        in_stages(np.arange(min(count, _WARM)))  # Programs are compiled for a block.
        scores = np.full(len(self.pairs.images), np.nan, np.float32)
        spent = 0.0

        def ranked(rows: Int64[np.ndarray, " b"]) -> Ranking:
            nonlocal spent
            started = time.perf_counter()
            last = in_stages(rows)[-1]
            spent += time.perf_counter() - started
            write_scores(scores, self.pairs, rows, last)
            return last

        outcome = evaluate_set(self._data, self._protocol, ranked)
        result = MethodResult(
            name=name,
            stages=stages,
            metrics=outcome.metrics,
            prepare_s=prepared if built else 0.0,
            ms_per_query=1000 * spent / count,
            memory_bytes=chain.memory_bytes(),
        )
        return _Outcome(result, outcome.definitions, scores, chain)


def _stages(text: str, data: RetrievalSet, graph: TrainedGraph | None) -> list[Stage]:
    return build_stages(
        parse_stages(text) if text else [],
        queries=queries_of(data),
        database=data.database,
        features_folder=cache_folder() / "features",
        graph=graph,
    )


def _external(path: Path, data: RetrievalSet) -> ExternalScores:
    queries, images = len(queries_of(data)), len(data.database)
    return read_scores(path, queries=queries, images=images)


def shown_metrics(part: SetComparison) -> list[str]:
    """Returns the metrics of a table: mean average precisions and the first result."""
    names = list(part.methods[0].metrics)
    ends = ("map", "recall@1", "mp@1")
    return [name for name in names if name.rsplit("/", 1)[-1] in ends] or names[:1]
