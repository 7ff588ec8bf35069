"""Stages of re-ranking, made from their names."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from jaxsim.classical.feature_cache import FeatureCache
from jaxsim.data.records import Record
from jaxsim.experiment.stage_names import (
    LEARNED,
    SPATIAL,
    VERIFIED_GRAPH,
    StageName,
    require_models,
)
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
GRAPH_STAGES: dict[str, Callable[[int], Reranker]] = {
    "dfs": lambda k: Diffusion(affinity=Affinity(k=k)),
    "offline": lambda k: OfflineDiffusion(affinity=Affinity(k=k)),
    "fsr": lambda k: SpectralRanking(affinity=Affinity(k=k)),
    "hybrid": lambda k: SpectralRanking(affinity=Affinity(k=k), rank=100, hybrid=True),
    "kreciprocal": lambda k: KReciprocal(k1=k),
}
"""Stages over graphs of neighbours, made with their number."""


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
    require_models(names, similarity=similarity is not None, graph=graph is not None)
    cache = FeatureCache(folder=features_folder)
    asking = RecordFeatures(queries, cache)
    ranked = RecordFeatures(database, cache, contents)

    def reranker(place: int, name: StageName) -> Reranker:
        match name.kind:
            case "dba":
                return DatabaseAugmentation(k=name.number)
            case "qe":
                return QueryExpansion(k=name.number)
            case "alpha_qe":
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
                return GRAPH_STAGES[kind](name.number)
            case _:
                return SpatialVerification(
                    query_features=partial(points_or_none, asking),
                    database_features=partial(points_or_none, ranked),
                    top=name.number,
                    fused_with="scores" if _cosines(names[:place]) else "descriptors",
                )

    return [Stage(str(name), reranker(i, name)) for i, name in enumerate(names)]


def _cosines(names: Sequence[StageName]) -> bool:
    """Whether scores after some stages are inner products of the descriptors of then.

    Verification has added inliers, which another one must not count again.
    """
    return not names or names[-1].kind not in {SPATIAL, LEARNED, *GRAPH_STAGES}
