"""Diffusion by the largest eigenvalues of the graph, alone or with what they leave."""

from dataclasses import dataclass, field
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float32, Int, Int64

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import Ranking
from jaxsim.ops.components import connected_components
from jaxsim.ops.conjugate_gradient import conjugate_gradient
from jaxsim.ops.eigenpairs import largest_eigenpairs
from jaxsim.ops.graph import normalised
from jaxsim.ops.sparse import SparseMatrix, sparse_matrix
from jaxsim.rerank.affinity import (
    Affinity,
    connected_to,
    queries_at_once,
    ranked_in_blocks,
    spread_in,
)
from jaxsim.rerank.base import Asked, Gallery
from jaxsim.rerank.linear_system import Solver, columns_at_once

_ROUNDING = 1e-6


@dataclass(frozen=True)
class SpectralGallery(Gallery):
    """A gallery with the largest eigenvalues of its graph.

    Attributes:
      components: int64 [N], equal for images that some path joins.
      values: float32 [r], Λ.
      vectors_of_graph: float32 [N, r], U.
      matrix: S, for what the eigenvalues leave; None if that is left out.
    """

    components: Int64[np.ndarray, " N"]
    values: Float32[Array, " r"]
    vectors_of_graph: Float32[Array, "N r"]
    matrix: SparseMatrix | None


@dataclass(frozen=True, kw_only=True)
class SpectralRanking:
    """Ranks by f = U h(Λ) Uᵀ y, h(λ) = (1 - α) / (1 - αλ), instead of solving for f.

    U Λ Uᵀ are the r largest eigenvalues of S: with all of them, f is that of diffusion
    times 1 - α. A query then costs a sum of few rows of U and one product with U. As
    with diffusion, images that no path joins with a query's first results follow as
    they were ranked.

    `hybrid` adds what they leave: with S = U Λ Uᵀ + R,
    f = U (h(Λ) - (1 - α) I) Uᵀ y + (1 - α) (I - αR)^-1 y, solved by conjugate
    gradients, which need few iterations as the largest eigenvalues are gone.

    Attributes:
      affinity: makes S and y, as for `Diffusion`.
      solver: α; and for `hybrid`, when to stop.
      rank: r; the number of images, or more, takes all.
      hybrid: solve for what the eigenvalues leave.
      seed: of the search for eigenvalues.

    Raises:
      InputError: an option is out of range.

    Source: Iscen et al. 2018 (CVPR), section 4; for `hybrid`, Iscen et al. 2018
    (ACCV), section 4.
    """

    affinity: Affinity = field(default_factory=Affinity)
    solver: Solver = field(default_factory=Solver)
    rank: int = 500
    hybrid: bool = False
    seed: int = 0

    def __post_init__(self):
        if self.rank < 1:
            raise InputError(f"spectral ranking needs rank >= 1; got {self.rank}")

    @property
    def reach(self) -> int:
        """How many results it looks at."""
        return self.affinity.kq

    def prepare(self, gallery: Gallery) -> SpectralGallery:
        """Returns the gallery with the eigenvalues of its graph.

        Raises:
          InputError: a row holds NaN or infinite values.
        """
        graph = normalised(self.affinity.graph(gallery), self_loops=False)
        matrix = sparse_matrix(graph)
        values, vectors = largest_eigenpairs(matrix, self.rank, seed=self.seed)
        return SpectralGallery(
            gallery.vectors,
            gallery.live,
            components=connected_components(
                np.stack([graph.rows, graph.columns], axis=1), nodes=graph.nodes
            ),
            values=jnp.asarray(values),
            vectors_of_graph=jnp.asarray(vectors),
            matrix=matrix if self.hybrid else None,
        )

    def __call__(
        self, asked: Asked, ranking: Ranking, gallery: Gallery
    ) -> tuple[Asked, Ranking]:
        """Returns the queries as they are and the images ranked by what reaches them.

        Args:
          asked: Q queries.
          ranking: of the gallery, [Q, K].
          gallery: as `prepare` returned it.
        """
        assert isinstance(gallery, SpectralGallery)
        most = queries_at_once(len(gallery.vectors), columns_at_once())
        return asked, ranked_in_blocks(
            ranking,
            gallery,
            lambda rows, part: self._reached(part, gallery, most),
            most=most,
        )

    def _reached(
        self, ranking: Ranking, gallery: SpectralGallery, most: int
    ) -> Float32[np.ndarray, "q N"]:
        at, weights = self.affinity.entry(ranking)
        connected = connected_to(at, weights, gallery.components)
        count = len(at)
        width = most if count > 1 else 1
        padding = ((0, width - count), (0, 0))
        at, weights = np.pad(at, padding), np.pad(weights, padding)
        u, alpha = gallery.vectors_of_graph, self.solver.alpha
        reached = _spectral(
            gallery.values,
            u,
            jnp.asarray(at),
            jnp.asarray(weights),
            alpha,
            complete=gallery.matrix is None,
        )
        if gallery.matrix is not None:
            right = spread_in(at, weights, len(u))
            reached += _remainder(
                gallery.matrix,
                gallery.values,
                u,
                jnp.asarray(right.T),
                alpha,
                iterations=self.solver.iterations,
                tolerance=self.solver.tolerance,
            )
        found = np.asarray(reached)[:count]
        # U and what is computed with it are only rounded to 0 where nothing arrives,
        # and differently beside other queries.
        least = _ROUNDING * np.abs(found).max(axis=1, keepdims=True, initial=0)
        return np.where(connected & (found > least), found, 0)


@partial(jax.jit, static_argnames="complete")
def _spectral(
    values: Float32[Array, " r"],
    u: Float32[Array, "N r"],
    at: Int[Array, "q k"],
    weights: Float32[Array, "q k"],
    alpha: Float32[Array, ""] | float,
    *,
    complete: bool,
) -> Float32[Array, "q N"]:
    """Returns U g(Λ) Uᵀ y, g = h where nothing follows, else g = h - h(0)."""
    gains = (1 - alpha) / (1 - alpha * values)
    if not complete:
        gains = gains - (1 - alpha)
    highest = jax.lax.Precision.HIGHEST
    inner = jnp.einsum("qk,qkr->qr", weights, u[at], precision=highest)
    return jnp.matmul(inner * gains[None], u.T, precision=highest)


@partial(jax.jit, static_argnames=("iterations", "tolerance"))
def _remainder(
    matrix: SparseMatrix,
    values: Float32[Array, " r"],
    u: Float32[Array, "N r"],
    right: Float32[Array, "N q"],
    alpha: Float32[Array, ""] | float,
    *,
    iterations: int,
    tolerance: float,
) -> Float32[Array, "q N"]:
    """Returns (1 - α) (I - αR)^-1 y for R = S - U Λ Uᵀ."""
    highest = jax.lax.Precision.HIGHEST

    def apply(x):
        inner = values[:, None] * jnp.matmul(u.T, x, precision=highest)
        rest = matrix @ x - jnp.matmul(u, inner, precision=highest)
        return x - alpha * rest

    solved = conjugate_gradient(
        apply, right, iterations=iterations, tolerance=tolerance
    )
    return (1 - alpha) * solved.T
