"""One row per re-ranker of descriptors: how it is made, and when it changes nothing."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from jaxsim.rerank.affinity import Affinity
from jaxsim.rerank.base import Reranker
from jaxsim.rerank.database_augmentation import DatabaseAugmentation
from jaxsim.rerank.diffusion import Diffusion
from jaxsim.rerank.external import ExternalScores
from jaxsim.rerank.k_reciprocal import KReciprocal
from jaxsim.rerank.learned import LearnedReranking
from jaxsim.rerank.linear_system import Solver
from jaxsim.rerank.offline_diffusion import OfflineDiffusion
from jaxsim.rerank.query_expansion import QueryExpansion
from jaxsim.rerank.similarity import BilinearSimilarity
from jaxsim.rerank.spectral import SpectralRanking

DIMENSION = 8
QUERIES, IMAGES = 7, 40


@dataclass(frozen=True, kw_only=True)
class RerankerCase:
    """A re-ranker under test.

    Attributes:
      make: returns it, with a number of neighbours.
      nothing: returns one that changes no order; None if none does.
      refuses: whether descriptors of NaN stop it.
    """

    make: Callable[[int], Reranker]
    nothing: Callable[[], Reranker] | None
    refuses: bool = True


def _alone() -> Affinity:
    """A graph without edges: each image is its only neighbour."""
    return Affinity(k=1)


def _noise(rows: int) -> np.ndarray:
    return np.random.default_rng(5).standard_normal((QUERIES, rows)).astype(np.float32)


RERANKERS: dict[str, RerankerCase] = {
    "query expansion": RerankerCase(
        make=lambda k: QueryExpansion(k=k, alpha=3.0),
        nothing=lambda: QueryExpansion(k=1, alpha=1e4),
    ),
    "database augmentation": RerankerCase(
        make=lambda k: DatabaseAugmentation(k=k), nothing=None
    ),
    "learned": RerankerCase(
        make=lambda k: LearnedReranking(
            similarity=BilinearSimilarity(np.eye(DIMENSION, dtype=np.float32)), top=k
        ),
        nothing=lambda: LearnedReranking(
            similarity=BilinearSimilarity(np.eye(DIMENSION, dtype=np.float32))
        ),
    ),
    "k-reciprocal": RerankerCase(
        make=lambda k: KReciprocal(k1=k, k2=3), nothing=lambda: KReciprocal(weight=1.0)
    ),
    "diffusion": RerankerCase(
        make=lambda k: Diffusion(affinity=Affinity(k=k, kq=3)),
        nothing=lambda: Diffusion(affinity=_alone()),
    ),
    "diffusion, truncated": RerankerCase(
        make=lambda k: Diffusion(affinity=Affinity(k=k, kq=3), truncate=15),
        nothing=lambda: Diffusion(affinity=_alone(), truncate=15),
    ),
    "offline diffusion": RerankerCase(
        make=lambda k: OfflineDiffusion(affinity=Affinity(k=k, kq=3), truncate=15),
        nothing=lambda: OfflineDiffusion(affinity=_alone()),
    ),
    "spectral": RerankerCase(
        make=lambda k: SpectralRanking(affinity=Affinity(k=k, kq=3), rank=5),
        nothing=lambda: SpectralRanking(affinity=_alone()),
    ),
    "hybrid": RerankerCase(
        make=lambda k: SpectralRanking(
            affinity=Affinity(k=k, kq=3), rank=5, hybrid=True, solver=Solver(alpha=0.9)
        ),
        nothing=lambda: SpectralRanking(affinity=_alone(), hybrid=True),
    ),
    "external": RerankerCase(
        make=lambda k: ExternalScores(_noise(IMAGES)), nothing=None, refuses=False
    ),
}
