"""The objective of learned similarity: its three stages differ by Δ and their data."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxsim.core.errors import InputError
from jaxsim.losses.cosine_target import cosine_target
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
        if self.delta is not None and not 0 < self.delta < float("inf"):
            raise InputError(
                f"delta={self.delta} is not a number above 0, so that pairs that match "
                "would not come apart from the others. Give one such as 0.2, or None "
                "to learn the cosine itself"
            )
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
        matching = batch["matching"]
        mean = cosine_target(
            outputs, cosines, matching, jnp.ones_like(outputs), delta=self.delta or 0.0
        )
        better = jnp.where(matching, outputs > cosines, outputs < cosines)
        return mean.value, {"better": jnp.mean(better.astype(jnp.float32))}
