"""Stages of re-ranking from the words of the command line."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

from jaxsim.classical.feature_cache import FeatureCache
from jaxsim.core.errors import InputError
from jaxsim.data.records import Record
from jaxsim.experiment.verification import (
    CANDIDATES,
    QueryVerifier,
    points_or_none,
)
from jaxsim.pipeline.local_features import RecordFeatures
from jaxsim.rerank.affinity import Affinity
from jaxsim.rerank.base import Reranker
from jaxsim.rerank.chain import Stage
from jaxsim.rerank.database_augmentation import DatabaseAugmentation
from jaxsim.rerank.diffusion import Diffusion
from jaxsim.rerank.graph import GraphReranking, TrainedGraph
from jaxsim.rerank.k_reciprocal import KReciprocal
from jaxsim.rerank.learned import LearnedReranking
from jaxsim.rerank.offline_diffusion import OfflineDiffusion
from jaxsim.rerank.query_expansion import QueryExpansion
from jaxsim.rerank.similarity import Similarity
from jaxsim.rerank.spatial import SpatialVerification
from jaxsim.rerank.spectral import SpectralRanking

ALPHA = 3.0
LEARNED = "learned"
GRAPH, VERIFIED_GRAPH = "gss", "gssv"
GRAPH_STAGES: dict[str, tuple[int, Callable[[int], Reranker]]] = {
    "dfs": (50, lambda k: Diffusion(affinity=Affinity(k=k))),
    "offline": (50, lambda k: OfflineDiffusion(affinity=Affinity(k=k))),
    "fsr": (50, lambda k: SpectralRanking(affinity=Affinity(k=k))),
    "hybrid": (
        50,
        lambda k: SpectralRanking(affinity=Affinity(k=k), rank=100, hybrid=True),
    ),
    "kreciprocal": (20, lambda k: KReciprocal(k1=k)),
}
"""Stages over graphs of neighbours, with the published number of these."""

KINDS = (
    "dba",
    "qe",
    "alphaqe",
    "spatial",
    LEARNED,
    GRAPH,
    VERIFIED_GRAPH,
    *GRAPH_STAGES,
)
MOST_RESCORED = 1000
"""Results that a similarity scores if no number is asked for."""


class StageName(NamedTuple):
    """A stage as it is asked for, "qe:10".

    Attributes:
      kind: one of `KINDS`.
      number: how many results or neighbours it takes.
    """

    kind: str
    number: int

    def __str__(self) -> str:
        """Returns the words of the command line."""
        return f"{self.kind}:{self.number}"


def parse_stages(text: str) -> list[StageName]:
    """Returns the stages named by "dba:20,qe:10,dfs,spatial:50".

    Stages over graphs may be named without their number.

    Raises:
      InputError: no such stage, or its number is not one above 0.

    >>> [str(name) for name in parse_stages("dba:20,qe:10")]
    ['dba:20', 'qe:10']
    """
    return [_parse(word) for word in text.split(",")]


def asked_stages(
    text: str | None, *, similarity: bool, graph: TrainedGraph | None = None
) -> list[StageName]:
    """Returns the stages of --rerank, with those for models that none names.

    A graph comes first, since it replaces descriptors; a similarity comes last.

    Args:
      text: of --rerank; None without it.
      similarity: whether there is one.
      graph: if there is one.

    Raises:
      InputError: see `parse_stages`; or a stage needs a model that is not there.

    >>> [str(name) for name in asked_stages("qe:10", similarity=True)]
    ['qe:10', 'learned:1000']
    """
    names = parse_stages(text) if text else []
    kinds = {name.kind for name in names}
    _require_models(names, similarity=similarity, graph=graph is not None)
    if graph is not None and not kinds & {GRAPH, VERIFIED_GRAPH}:
        names.insert(0, graph_stage(graph))
    if similarity and not any(name.kind == LEARNED for name in names):
        names.append(StageName(LEARNED, MOST_RESCORED))
    return names


def _require_models(
    names: Sequence[StageName], *, similarity: bool, graph: bool
) -> None:
    for name in names:
        if name.kind == LEARNED and not similarity:
            raise InputError(
                f"--rerank {name} needs --similarity RUN, the folder of a trained "
                "similarity"
            )
        if name.kind in {GRAPH, VERIFIED_GRAPH} and not graph:
            raise InputError(
                f"--rerank {name} needs --graph RUN, the folder of a trained graph"
            )


def graph_stage(graph: TrainedGraph) -> StageName:
    """Returns the stage that searches by a graph as it was trained to be."""
    kind = VERIFIED_GRAPH if graph.verified_queries else GRAPH
    return StageName(kind, graph.query_neighbours)


def _parse(text: str) -> StageName:
    kind, _, number = text.partition(":")
    if kind not in KINDS:
        raise InputError(
            f"--rerank {text}: there is no such stage; there are {', '.join(KINDS)}, "
            "with a number, such as dba:20,qe:10"
        )
    if text in GRAPH_STAGES:
        return StageName(text, GRAPH_STAGES[text][0])
    if not number.isdecimal() or int(number) < 1:
        raise InputError(
            f"--rerank {text}: expected {kind}:K with a whole number K >= 1, such as "
            f"{kind}:20"
        )
    return StageName(kind, int(number))


def build_stages(
    names: Sequence[StageName],
    *,
    queries: Sequence[Record],
    database: Sequence[Record],
    features_folder: Path,
    contents: Sequence[str] | None = None,
    similarity: Similarity | None = None,
    graph: TrainedGraph | None = None,
) -> list[Stage]:
    """Returns the stages, ready for a collection.

    Args:
      names: what was asked for.
      queries: the images that ask, whose local features may be needed.
      database: the images that are ranked.
      features_folder: where local features are kept.
      contents: of the database, see `RecordFeatures`.
      similarity: of the stages that need one.
      graph: likewise.

    Raises:
      InputError: a stage needs a similarity or a graph, and there is none.
    """
    _require_models(names, similarity=similarity is not None, graph=graph is not None)
    cache = FeatureCache(folder=features_folder)
    asking = RecordFeatures(queries, cache)
    ranked = RecordFeatures(database, cache, contents)

    def reranker(name: StageName) -> Reranker:
        match name.kind:
            case "dba":
                return DatabaseAugmentation(k=name.number)
            case "qe":
                return QueryExpansion(k=name.number)
            case "alphaqe":
                return QueryExpansion(k=name.number, alpha=ALPHA)
            case "learned":
                assert similarity is not None
                return LearnedReranking(similarity=similarity, top=name.number)
            case "gss" | "gssv":
                assert graph is not None
                return GraphReranking(
                    trained=replace(graph, query_neighbours=name.number),
                    verification=QueryVerifier(queries=asking, database=ranked)
                    if name.kind == VERIFIED_GRAPH
                    else None,
                    candidates=max(CANDIDATES, name.number),
                )
            case kind if kind in GRAPH_STAGES:
                return GRAPH_STAGES[kind][1](name.number)
            case _:
                return SpatialVerification(
                    query_features=partial(points_or_none, asking),
                    database_features=partial(points_or_none, ranked),
                    top=name.number,
                )

    return [Stage(str(name), reranker(name)) for name in names]
