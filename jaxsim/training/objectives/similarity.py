"""Objectives of learned similarity: of given descriptors, and of images end to end."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxsim.core.errors import InputError
from jaxsim.losses.cosine_target import cosine_target
from jaxsim.nn.descriptor import Descriptor
from jaxsim.nn.similarity import SimilarityNetwork
from jaxsim.training.objectives.base import Batch, Metrics, Objective


class SimilarityObjective(Objective):
    """A network of pairs trained to score them by their cosine and whether they match.

    The batch has "queries" and "images", float32 [B, D], and "matching", bool [B].

    Attributes:
      network: scores pairs.
      delta: Δ > 0, by which the scores of matching pairs should lie above the cosine,
        and those of others below; None learns the cosine itself.

    Raises:
      InputError: Δ is not above 0.

    Source: Garcia and Vogiatzis 2019, sections 3.2 and 4.
    """

    network: SimilarityNetwork
    delta: float | None = None

    def __post_init__(self):
        _require_positive(self.delta)
        super().__post_init__()

    def outputs(self, batch: Batch, *, train: bool) -> Float[Array, " B"]:
        """Scores each pair."""
        del train
        return self.network(batch["queries"], batch["images"])

    def loss(
        self, outputs: Float[Array, " B"], batch: Batch, *, key: jax.Array
    ) -> tuple[Float[Array, ""], Metrics]:
        """Returns the mean distance of scores from targets.

        "better" is the fraction of pairs that are scored better than by the cosine:
        above it if they match and below it if not.
        """
        del key
        cosines = jnp.sum(batch["queries"] * batch["images"], axis=1)
        return _regression(outputs, cosines, batch["matching"], self.delta)


class ImagePairObjective(Objective):
    """Descriptors and their similarity trained together, from pairs of images.

    Rows 2i and 2i + 1 of the batch are a pair; it has "images" uint8 [B, H, W, 3],
    "valid" int32 [B, 2] and "labels" int32 [B]. No gradient flows through the cosines
    in the targets, which the descriptors could otherwise move instead of the scores.

    Attributes:
      network: makes the descriptors.
      similarity: scores pairs of them.
      delta: Δ > 0, see `SimilarityObjective`.

    Raises:
      InputError: Δ is not above 0, or the batch is odd.

    Source: Garcia and Vogiatzis 2019, the variant that is trained end to end.
    """

    network: Descriptor
    similarity: SimilarityNetwork
    delta: float = 0.2

    def __post_init__(self):
        _require_positive(self.delta)
        super().__post_init__()

    def outputs(self, batch: Batch, *, train: bool) -> Float[Array, "B D"]:
        """Describes each image."""
        return self.network(batch["images"], batch["valid"], train=train)

    def loss(
        self, outputs: Float[Array, "B D"], batch: Batch, *, key: jax.Array
    ) -> tuple[Float[Array, ""], Metrics]:
        """Returns the mean distance of scores from targets; see the other objective."""
        del key
        if len(outputs) % 2:
            raise InputError(
                f"pairs need an even batch, two rows a pair; got {len(outputs)}. Use a "
                "sampler such as RandomPairs"
            )
        first, second = outputs[::2], outputs[1::2]
        cosines = jax.lax.stop_gradient(jnp.sum(first * second, axis=1))
        matching = batch["labels"][::2] == batch["labels"][1::2]
        scores = self.similarity(first, second)
        return _regression(scores, cosines, matching, self.delta)


def _regression(scores, cosines, matching, delta: float | None):
    mean = cosine_target(
        scores, cosines, matching, jnp.ones_like(scores), delta=delta or 0.0
    )
    better = jnp.where(matching, scores > cosines, scores < cosines)
    return mean.value, {"better": jnp.mean(better.astype(jnp.float32))}


def _require_positive(delta: float | None) -> None:
    if delta is not None and not 0 < delta < float("inf"):
        raise InputError(
            f"delta={delta} is not a number above 0, so that pairs that match would "
            "not come apart from the others. Give one such as 0.2, or None to learn "
            "the cosine itself"
        )
