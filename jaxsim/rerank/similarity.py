"""Similarities of descriptors beyond the inner product, all used in one way."""

from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int64

from jaxsim.core.errors import InputError
from jaxsim.nn.similarity import SimilarityNetwork
from jaxsim.ops.whitening import Whitening


def default_block_pairs() -> int:
    """Returns how many pairs fill the device; a CPU is full, and its caches too."""
    return 1024 if jax.default_backend() == "cpu" else 16384


@runtime_checkable
class Similarity(Protocol):
    """Scores pairs of descriptors; higher is more similar."""

    @property
    def dim(self) -> int:
        """D of the descriptors."""
        ...

    def image_parts(self, images: Float32[np.ndarray, "N D"]) -> Float[Array, "N ..."]:
        """Returns what is computed once for each database image."""
        ...

    def scores(
        self,
        queries: Float32[np.ndarray, "Q D"],
        parts: Float[Array, "N ..."],
        rows: Int64[np.ndarray, "Q K"],
    ) -> Float32[np.ndarray, "Q K"]:
        """Scores each query with some images.

        Args:
          queries: float32 [Q, D].
          parts: of N images, as `image_parts` returns them.
          rows: int64 [Q, K], which of these images, for each query.
        """
        ...


def all_scores(
    similarity: Similarity,
    queries: Float32[np.ndarray, "Q D"],
    images: Float32[np.ndarray, "N D"],
) -> Float32[np.ndarray, "Q N"]:
    """Scores every query with every image."""
    rows = np.broadcast_to(np.arange(len(images)), (len(queries), len(images)))
    return similarity.scores(queries, similarity.image_parts(images), rows)


@dataclass(frozen=True, eq=False)
class NetworkSimilarity:
    """A trained network, whose first layer runs once for each image and each query.

    Scoring Q queries with N images so costs one product for all of them and, for each
    pair, the layers after the first.

    Attributes:
      network: with the number format to compute in.
      variables: its parameters.
      block_pairs: pairs computed at a time; memory grows with it, scores do not change.
    """

    network: SimilarityNetwork
    variables: dict[str, Any]
    block_pairs: int = field(default_factory=default_block_pairs)

    @property
    def dim(self) -> int:
        """D of the descriptors."""
        return self.network.dim

    @cached_property
    def _variables(self) -> dict[str, Any]:
        """The parameters on the device, in the format that they are multiplied in."""
        return jax.tree.map(
            lambda x: jnp.asarray(x, self.network.dtype if x.ndim > 1 else x.dtype),
            self.variables,
        )

    def image_parts(self, images: Float32[np.ndarray, "N D"]) -> Float[Array, "N S W"]:
        """Returns what the first layer makes of database images."""
        require_dimension(self, images)
        return _parts(self.network, "image_parts", self._variables, jnp.asarray(images))

    def scores(
        self,
        queries: Float32[np.ndarray, "Q D"],
        parts: Float[Array, "N S W"],
        rows: Int64[np.ndarray, "Q K"],
    ) -> Float32[np.ndarray, "Q K"]:
        """Scores each query with some images; see `Similarity`."""
        require_dimension(self, queries)
        asked = _parts(
            self.network, "query_parts", self._variables, jnp.asarray(queries)
        )
        who = np.repeat(np.arange(len(rows), dtype=np.int32), rows.shape[1])
        which = rows.reshape(-1).astype(np.int32)
        blocks = [
            slice(start, start + self.block_pairs)
            for start in range(0, len(who), self.block_pairs)
        ]
        # All are started before the first is waited for.
        scores = [
            _pair_scores(
                self.network, self._variables, asked, parts, who[block], which[block]
            )
            for block in blocks
        ]
        found = np.empty(len(who), np.float32)
        for block, part in zip(blocks, scores, strict=True):
            found[block] = part
        return found.reshape(rows.shape)


@partial(jax.jit, static_argnums=(0, 1))
def _parts(network, method, variables, vectors):
    return network.apply(variables, vectors, method=method)


@partial(jax.jit, static_argnums=0)
def _pair_scores(network, variables, asked, parts, who, which):
    return network.apply(variables, asked[who] + parts[which], method="head")


@dataclass(frozen=True, eq=False)
class BilinearSimilarity:
    """qᵀWx, such as OASIS learns.

    Attributes:
      matrix: float32 [D, D], W.
    """

    matrix: Float32[np.ndarray, "D D"]

    @property
    def dim(self) -> int:
        """D of the descriptors."""
        return len(self.matrix)

    def image_parts(self, images: Float32[np.ndarray, "N D"]) -> Float[Array, "N D"]:
        """Returns the images as they are."""
        require_dimension(self, images)
        return jnp.asarray(images)

    def scores(
        self,
        queries: Float32[np.ndarray, "Q D"],
        parts: Float[Array, "N W"],
        rows: Int64[np.ndarray, "Q K"],
    ) -> Float32[np.ndarray, "Q K"]:
        """Scores each query with some images; see `Similarity`."""
        require_dimension(self, queries)
        found = (queries @ self.matrix) @ np.asarray(parts).T
        return np.take_along_axis(found, rows, axis=1).astype(np.float32)


@dataclass(frozen=True, eq=False)
class MahalanobisSimilarity:
    """Minus the squared distance after a learned linear map.

    Attributes:
      whitening: the map, such as `ops.whitening.fit_learned` finds from matching pairs.
    """

    whitening: Whitening

    @property
    def dim(self) -> int:
        """D of the descriptors."""
        return len(self.whitening.projection)

    def image_parts(self, images: Float32[np.ndarray, "N D"]) -> Float[Array, "N d"]:
        """Returns the images after the map."""
        require_dimension(self, images)
        return jnp.asarray(images @ self.whitening.projection + self.whitening.bias)

    def scores(
        self,
        queries: Float32[np.ndarray, "Q D"],
        parts: Float[Array, "N d"],
        rows: Int64[np.ndarray, "Q K"],
    ) -> Float32[np.ndarray, "Q K"]:
        """Scores each query with some images; see `Similarity`."""
        asked = np.asarray(self.image_parts(queries), np.float64)
        images = np.asarray(parts, np.float64)
        # In float64, because the difference of large products is small.
        apart = np.sum(asked**2, axis=1)[:, None] + np.sum(images**2, axis=1)[None]
        apart -= 2 * asked @ images.T
        return np.take_along_axis(-apart, rows, axis=1).astype(np.float32)


def require_dimension(
    similarity: Similarity, vectors: Float32[np.ndarray, "N D"]
) -> None:
    """Raises InputError unless descriptors have the dimension of a similarity."""
    if vectors.shape[1] != similarity.dim:
        raise InputError(
            f"the descriptors have {vectors.shape[1]} dimensions, and this similarity "
            f"was made for {similarity.dim}. Describe the images with the model that "
            "it was trained on"
        )
