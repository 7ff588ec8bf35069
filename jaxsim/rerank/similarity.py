"""Similarities of descriptors beyond the inner product, all used in one way."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int

from jaxsim.core.errors import InputError
from jaxsim.index.ivf_plan import rounded_up
from jaxsim.nn.similarity import SimilarityNetwork
from jaxsim.ops.whitening import Whitening

VECTORS_AT_ONCE = 16384


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

    def pair_scores(
        self,
        queries: Float32[np.ndarray, "Q D"],
        parts: Float[Array, "N ..."],
        who: Int[np.ndarray, " P"],
        which: Int[np.ndarray, " P"],
    ) -> Float32[np.ndarray, " P"]:
        """Scores pairs of a query and an image.

        Args:
          queries: float32 [Q, D].
          parts: of N images, as `image_parts` returns them.
          who: int [P], the query of each pair.
          which: int [P], its image.
        """
        ...


def all_scores(
    similarity: Similarity,
    queries: Float32[np.ndarray, "Q D"],
    images: Float32[np.ndarray, "N D"],
) -> Float32[np.ndarray, "Q N"]:
    """Scores every query with every image."""
    who, which = np.indices((len(queries), len(images))).reshape(2, -1)
    parts = similarity.image_parts(images)
    scores = similarity.pair_scores(queries, parts, who, which)
    return scores.reshape(len(queries), len(images))


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

    def pair_scores(
        self,
        queries: Float32[np.ndarray, "Q D"],
        parts: Float[Array, "N S W"],
        who: Int[np.ndarray, " P"],
        which: Int[np.ndarray, " P"],
    ) -> Float32[np.ndarray, " P"]:
        """Scores pairs of a query and an image; see `Similarity`."""
        require_dimension(self, queries)
        asked = _parts(
            self.network, "query_parts", self._variables, jnp.asarray(queries)
        )
        # All blocks are started before the first is waited for.
        started = [
            _pair_scores(self.network, self._variables, asked, parts, *block)
            for block in _blocks(who, which, self.block_pairs)
        ]
        found = np.concatenate([np.zeros(0, np.float32), *map(np.asarray, started)])
        return found[: len(who)]


def _blocks(who, which, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Cuts pairs into blocks; the last is filled up, so that few shapes are compiled.

    Only the last can be, so what belongs to the filling stands at the end.
    """
    for start in range(0, len(who), size):
        pairs = np.stack([who[start : start + size], which[start : start + size]])
        filling = min(rounded_up(pairs.shape[1]), size) - pairs.shape[1]
        first, second = np.pad(pairs, ((0, 0), (0, filling))).astype(np.int32)
        yield first, second


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

    def pair_scores(
        self,
        queries: Float32[np.ndarray, "Q D"],
        parts: Float[Array, "N W"],
        who: Int[np.ndarray, " P"],
        which: Int[np.ndarray, " P"],
    ) -> Float32[np.ndarray, " P"]:
        """Scores pairs of a query and an image; see `Similarity`."""
        require_dimension(self, queries)
        asked, images = queries @ self.matrix, np.asarray(parts)
        return _of_pairs(lambda a, b: np.sum(a * b, axis=1), asked, images, who, which)


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

    def pair_scores(
        self,
        queries: Float32[np.ndarray, "Q D"],
        parts: Float[Array, "N d"],
        who: Int[np.ndarray, " P"],
        which: Int[np.ndarray, " P"],
    ) -> Float32[np.ndarray, " P"]:
        """Scores pairs of a query and an image; see `Similarity`."""
        asked, images = np.asarray(self.image_parts(queries)), np.asarray(parts)
        return _of_pairs(
            lambda a, b: -np.sum(np.square(a - b), axis=1), asked, images, who, which
        )


def _of_pairs(score: Callable, asked, images, who, which) -> np.ndarray:
    """Scores pairs of vectors, a block at a time."""
    found = np.empty(len(who), np.float32)
    for start in range(0, len(who), VECTORS_AT_ONCE):
        block = slice(start, start + VECTORS_AT_ONCE)
        found[block] = score(asked[who[block]], images[which[block]])
    return found


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
