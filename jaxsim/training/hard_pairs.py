"""Pairs that the network scores worse than the cosine does, found again and again."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float32, Int64

from jaxsim.core.errors import InputError
from jaxsim.core.rng import rng
from jaxsim.data.pairs import DescriptorPairs
from jaxsim.data.samplers import RandomPairs, Sampler
from jaxsim.training.state import TrainState

Score = Callable[[TrainState, Int64[np.ndarray, "P 2"]], Float32[np.ndarray, " P"]]
_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class HardPairMining:
    """Every few updates, draws candidates and keeps the pairs that are difficult.

    A pair is difficult if its score is worse than its cosine: below it though the pair
    matches, or above it though it does not. With a margin it must be better by that
    much not to be difficult, so that there are more of them. Batches then take half of
    their pairs from these, and the others at random. If no candidate is difficult, all
    are random until the next search, and a warning says so.

    Attributes:
      data: all pairs.
      score: of some pairs, by the network as it is.
      random: draws pairs at random, as many as a batch has.
      labels: of each image; None for none.
      candidates: pairs that are looked at, half of which match.
      refresh: updates after which is looked again.
      margin: >= 0, by which a score must be better than the cosine.
      seed: of all draws.

    Raises:
      InputError: a number is not positive.

    Source: Garcia and Vogiatzis 2019, section 4.3; the rule is our reading of it.
    """

    data: DescriptorPairs
    score: Score
    random: Sampler
    labels: list[str | None]
    candidates: int = 20000
    refresh: int = 500
    margin: float = 0.0
    seed: int = 0

    def __post_init__(self):
        if self.candidates < 1 or self.refresh < 1 or not self.margin >= 0:
            raise InputError(
                f"candidates={self.candidates}, refresh={self.refresh} and "
                f"margin={self.margin}: the first two must be at least 1, the margin "
                "at least 0"
            )

    @cached_property
    def _candidates(self) -> RandomPairs:
        return RandomPairs(self.labels, pairs=self.candidates, seed=self.seed + 1)

    def empty(self) -> dict[str, Array]:
        """Returns the room that `mine` fills."""
        return {
            "pairs": jnp.zeros((self.candidates, 2), jnp.int32),
            "hard": jnp.zeros(self.candidates, jnp.float32),
        }

    def mine(self, state: TrainState, step: int) -> dict[str, Array]:
        """Draws candidates and returns them, with 1 for the difficult ones.

        Args:
          state: the network as it is.
          step: decides the draw.
        """
        rows = self._candidates(step).reshape(-1, 2)
        first, second = (self.data.vectors[rows[:, side]] for side in (0, 1))
        cosines = np.einsum("pd,pd->p", first, second)
        above = self.score(state, rows) - cosines
        matching = self.data.matching(rows)
        hard = np.where(matching, above < self.margin, above > -self.margin)
        if not hard.any():
            _log.warning(
                "step %d: none of %d pairs is scored worse than by the cosine; going "
                "on with random pairs",
                step,
                len(rows),
            )
        return {
            "pairs": jnp.asarray(rows.astype(np.int32)),
            "hard": jnp.asarray(hard.astype(np.float32)),
        }

    def examples(
        self, data: DescriptorPairs, pool: dict[str, Array]
    ) -> DescriptorPairs:
        """Returns the data with batches that hold difficult pairs."""
        rows, hard = (np.asarray(jax.device_get(pool[k])) for k in ("pairs", "hard"))
        chosen = rows[hard > 0].astype(np.int64)
        return data.with_sampler(HalfHard(chosen, self.random, self.seed))


@dataclass(frozen=True)
class HalfHard:
    """Replaces the second half of random pairs by difficult ones.

    Attributes:
      hard: int64 [H, 2]; empty leaves all pairs random.
      random: draws the others.
      seed: of the draws.
    """

    hard: np.ndarray
    random: Sampler
    seed: int

    @property
    def batch_size(self) -> int:
        """Images of a batch."""
        return self.random.batch_size

    @property
    def steps_per_epoch(self) -> int:
        """That of the random pairs."""
        return self.random.steps_per_epoch

    def __call__(self, step: int) -> Int64[np.ndarray, " B"]:
        """Returns the images of one batch."""
        rows = self.random(step).reshape(-1, 2).copy()
        if len(self.hard):
            draw = rng(self.seed, "hard pairs", step)
            half = len(rows) // 2
            rows[half:] = self.hard[draw.integers(0, len(self.hard), len(rows) - half)]
        return rows.ravel()
