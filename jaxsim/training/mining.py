"""Examples chosen by the network itself: pool mining of triplets."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import Array, Float32, Int32, Int64

from jaxsim.core.errors import InputError
from jaxsim.core.rng import rng
from jaxsim.data.training import TrainingBatches
from jaxsim.miners.pool import hardest_triplets
from jaxsim.miners.triplets import Triplets
from jaxsim.parallel.mesh import AXES
from jaxsim.parallel.multihost import put_everywhere
from jaxsim.training.state import TrainState

Describe = Callable[[TrainState, Int64[np.ndarray, " P"]], Float32[np.ndarray, "P D"]]


@dataclass(frozen=True, kw_only=True)
class PoolMining:
    """Every few updates, describes a pool of images and finds their hard triplets.

    Attributes:
      labels: int32 [N], of all training images; those of -1, without a label, are never
        drawn.
      describe: descriptors of some images by the network as it is; zeros for an image
        that cannot be used, which is then in no triplet that counts.
      pool_size: images in the pool; all of them if there are fewer.
      hardest: triplets kept for each image, those of largest loss.
      triplets: of each batch: a uniform image, then one of its triplets uniformly.
      refresh: updates after which a new pool is drawn.
      margin: of the triplet loss, on squared distances.
      mesh: the devices that share the search, of all processes; None takes one.
      seed: of all draws.

    Raises:
      InputError: a number is not positive, or no image has a label.

    Source: Gordo et al. 2017, section 3.3: 5,000 images, the 25 hardest, 64 triplets
    an update, refreshed every 64 updates.
    """

    labels: np.ndarray
    describe: Describe
    triplets: int
    pool_size: int = 5000
    hardest: int = 25
    refresh: int = 64
    margin: float = 0.1
    mesh: Mesh | None = None
    seed: int = 0

    def __post_init__(self):
        sizes = (self.pool_size, self.hardest, self.triplets, self.refresh)
        if min(sizes) < 1:
            raise InputError(
                f"pool_size, hardest, triplets and refresh are {sizes}; all must be "
                "at least 1"
            )
        if not len(self._labelled):
            raise InputError("none of the images has a label, so no triplet is right")

    @cached_property
    def _labelled(self) -> np.ndarray:
        return np.flatnonzero(self.labels >= 0)

    def empty(self) -> dict[str, Array]:
        """Returns the room that `mine` fills: [P, hardest, 3] images and weights."""
        size = min(self.pool_size, len(self._labelled))
        return {
            "images": jnp.zeros((size, self.hardest, 3), jnp.int32),
            "weights": jnp.zeros((size, self.hardest), jnp.float32),
        }

    def mine(self, state: TrainState, step: int) -> dict[str, Array]:
        """Draws a pool, describes it and returns each image's hardest triplets.

        Args:
          state: the network as it is.
          step: decides the draw.
        """
        draw = rng(self.seed, "pool", step).permutation(self._labelled)
        pool = np.sort(draw[: self.pool_size])
        vectors = self.describe(state, pool)
        # An image that cannot be used is alone with a label of its own.
        alone = -1 - np.arange(len(pool), dtype=np.int32)
        found = hardest_on(
            self.mesh,
            vectors,
            np.where(vectors.any(axis=1), self.labels[pool], alone).astype(np.int32),
            hardest=self.hardest,
            margin=self.margin,
        )
        rows = jnp.stack([found.anchor, found.positive, found.negative], axis=-1)
        images = jnp.asarray(pool.astype(np.int32))[rows]
        usable = jnp.asarray(vectors.any(axis=1))[found.negative]
        return {"images": images, "weights": found.weight * usable}

    def examples(
        self, data: TrainingBatches, pool: dict[str, Array]
    ) -> TrainingBatches:
        """Returns the data with batches drawn from a mined pool."""
        images, weights = (
            np.array(jax.device_get(pool[name])) for name in ("images", "weights")
        )
        sampler = MinedTriplets(images, weights, self.triplets, self.seed)
        return data.with_sampler(sampler)


def hardest_on(
    mesh: Mesh | None,
    vectors: Float32[np.ndarray, "P D"],
    labels: Int32[np.ndarray, " P"],
    *,
    hardest: int,
    margin: float,
) -> Triplets:
    """Returns the hardest triplets of each image of a pool, each device searching some.

    All devices hold the pool; each compares its share of the images with all of it, and
    they exchange the triplets, which are those that one device finds.

    Args:
      mesh: the devices; all its processes must call together, and take the vectors of
        the first. None takes one device.
      vectors: float32 [P, D], descriptors of the pool.
      labels: int32 [P], of the pool.
      hardest: triplets of each image, see `hardest_triplets`.
      margin: of the loss.

    Returns:
      Triplets of shape [P, hardest].
    """
    options = {"hardest": hardest, "margin": margin}
    if mesh is None or mesh.size == 1:
        pool = jnp.asarray(vectors), jnp.asarray(labels)
        return hardest_triplets(*pool, jnp.arange(len(labels)), **options)
    found = _hardest_together(mesh, **options)(*put_everywhere((vectors, labels), mesh))
    return jax.tree.map(lambda x: jnp.asarray(x[: len(labels)]), jax.device_get(found))


@lru_cache
def _hardest_together(mesh: Mesh, *, hardest: int, margin: float) -> Callable:
    """Returns the program of `hardest_on`, compiled once for a run."""

    def own(vectors, labels) -> Triplets:
        share = -(-len(labels) // mesh.size)
        rows = jax.lax.axis_index(AXES) * share + jnp.arange(share)
        found = hardest_triplets(
            vectors,
            labels,
            jnp.minimum(rows, len(labels) - 1),
            hardest=hardest,
            margin=margin,
        )
        return jax.tree.map(lambda x: jax.lax.all_gather(x, AXES, tiled=True), found)

    everywhere = PartitionSpec()
    return jax.jit(
        jax.shard_map(
            own,
            mesh=mesh,
            in_specs=everywhere,
            out_specs=everywhere,
            # That all devices have gathered the same is not seen by itself.
            check_vma=False,
        )
    )


@dataclass(frozen=True)
class MinedTriplets:
    """Draws triplets of a mined pool, a pure function of the step.

    Rows 3i, 3i + 1 and 3i + 2 of a batch are an anchor, a positive and a negative.

    Attributes:
      images: int32 [P, T, 3].
      weights: float32 [P, T], 0 for triplets that cost nothing; those are drawn only
        if there is no other in the pool.
      triplets: of each batch.
      seed: of the draws.
    """

    images: np.ndarray
    weights: np.ndarray
    triplets: int
    seed: int

    @property
    def batch_size(self) -> int:
        """Images of a batch."""
        return 3 * self.triplets

    @property
    def steps_per_epoch(self) -> int:
        """Batches in which as many anchors are drawn as the pool has images."""
        return max(len(self.images) // self.triplets, 1)

    def __call__(self, step: int) -> Int64[np.ndarray, " B"]:
        """Returns the images of one batch."""
        draw = rng(self.seed, "mined triplets", step)
        weights = self.weights if self.weights.any() else np.ones_like(self.weights)
        anchors = draw.choice(np.flatnonzero(weights.any(axis=1)), self.triplets)
        chosen = [draw.choice(np.flatnonzero(weights[row])) for row in anchors]
        return self.images[anchors, chosen].astype(np.int64).reshape(-1)
