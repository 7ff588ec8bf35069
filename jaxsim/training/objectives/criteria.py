"""Losses on a batch of labelled descriptors: distances, mining and formula together."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int32

from jaxsim.core.errors import InputError, require_choice
from jaxsim.losses.average_precision import average_precision
from jaxsim.losses.contrastive import contrastive
from jaxsim.losses.mean import Mean
from jaxsim.losses.multi_similarity import multi_similarity
from jaxsim.losses.triplet import Average, triplet
from jaxsim.miners.all_triplets import all_triplets
from jaxsim.miners.batch_hard import batch_hard
from jaxsim.miners.distance_weighted import distance_weighted
from jaxsim.miners.rows import row_triplets
from jaxsim.miners.semi_hard import semi_hard
from jaxsim.ops.distances import distances, squared_distances
from jaxsim.ops.pairs import pairs_of_labels

Descriptors = Float[Array, "B D"]
Labels = Int32[Array, " B"]
PairsName = Literal["all", "rows"]
MinerName = Literal["all", "batch_hard", "semi_hard", "distance_weighted", "rows"]


@dataclass(frozen=True, kw_only=True)
class TripletCriterion:
    """max(0, margin + D(a, p) - D(a, n)) over the triplets that a miner chooses.

    Attributes:
      miner: "batch_hard", "semi_hard", "all", "distance_weighted" (unit vectors only),
        or "rows" for batches whose rows are anchor, positive, negative in turn.
      margin: None takes the soft margin log(1 + exp(D(a, p) - D(a, n))).
      squared: whether D is the squared Euclidean distance, or the plain one.
      average: over "all" mined triplets, or only those "violating" the margin.
      scale: multiplies the loss; Gordo et al. write 1/2.

    Source: Schroff et al. 2015; Hermans et al. 2017 for batch-hard and soft margin.
    """

    miner: MinerName = "batch_hard"
    margin: float | None = 0.2
    squared: bool = False
    average: Average = "all"
    scale: float = 1.0

    def __post_init__(self):
        require_choice("miner", self.miner, MinerName)
        require_choice("average", self.average, Average)
        if self.margin is not None:
            _require_positive(margin=self.margin)
        _require_positive(scale=self.scale)

    @property
    def unit_only(self) -> bool:
        """Whether descriptors must have length 1."""
        return self.miner == "distance_weighted"

    def __call__(
        self, descriptors: Descriptors, labels: Labels, *, key: jax.Array
    ) -> Mean:
        """Returns the mean loss of the triplets."""
        measure = squared_distances if self.squared else distances
        apart = measure(descriptors, descriptors)
        # Which triplets are chosen is not differentiated.
        scores = jax.lax.stop_gradient(
            -apart
            if self.miner != "distance_weighted"
            else jnp.matmul(descriptors, descriptors.T, precision="highest")
        )
        chosen = self._miner(key, descriptors.shape[1])(labels, scores)
        loss = triplet(
            apart[chosen.anchor, chosen.positive],
            apart[chosen.anchor, chosen.negative],
            chosen.weight,
            margin=self.margin,
            average=self.average,
        )
        return Mean(self.scale * loss.value, loss.count)

    def _miner(self, key: jax.Array, dimension: int) -> Callable:
        match self.miner:
            case "all":
                return all_triplets
            case "batch_hard":
                return batch_hard
            case "semi_hard":
                return semi_hard
            case "rows":
                return row_triplets
            case "distance_weighted":
                return partial(distance_weighted, key=key, dimension=dimension)


@dataclass(frozen=True, kw_only=True)
class ContrastiveCriterion:
    """Pulls matching pairs together and pushes others a margin apart.

    Attributes:
      margin: distance beyond which a pair that does not match costs nothing.
      pairs: "all" pairs of the batch, or "rows" for batches whose rows are the two
        images of a pair in turn.

    Source: Hadsell, Chopra and LeCun 2006.
    """

    margin: float = 1.0
    pairs: PairsName = "rows"

    def __post_init__(self):
        require_choice("pairs", self.pairs, PairsName)
        _require_positive(margin=self.margin)

    @property
    def unit_only(self) -> bool:
        """Whether descriptors must have length 1."""
        return False

    def __call__(
        self, descriptors: Descriptors, labels: Labels, *, key: jax.Array
    ) -> Mean:
        """Returns the mean loss of the pairs."""
        count = len(labels)
        if self.pairs == "rows":
            if count % 2:
                raise InputError(
                    f"pairs='rows' needs an even batch, two rows a pair; got {count}"
                )
            first, second = jnp.arange(0, count, 2), jnp.arange(1, count, 2)
        else:
            first, second = jnp.triu_indices(count, 1)
        apart = distances(descriptors, descriptors)[first, second]
        matching = labels[first] == labels[second]
        return contrastive(apart, matching, jnp.ones_like(apart), margin=self.margin)


@dataclass(frozen=True, kw_only=True)
class MultiSimilarityCriterion:
    """Weighs each pair by its similarity and by that of its rivals; unit vectors only.

    Attributes:
      alpha: sharpness on positives.
      beta: sharpness on negatives.
      base: similarity around which pairs are weighed.
      epsilon: margin within which a pair is kept.

    Source: Wang et al. 2019.
    """

    alpha: float = 2.0
    beta: float = 50.0
    base: float = 0.5
    epsilon: float = 0.1

    def __post_init__(self):
        _require_positive(alpha=self.alpha, beta=self.beta)

    @property
    def unit_only(self) -> bool:
        """Whether descriptors must have length 1."""
        return True

    def __call__(
        self, descriptors: Descriptors, labels: Labels, *, key: jax.Array
    ) -> Mean:
        """Returns the mean loss of the anchors."""
        scores = jnp.matmul(descriptors, descriptors.T, precision="highest")
        pairs = pairs_of_labels(labels)
        return multi_similarity(
            scores,
            pairs.relevant,
            pairs.counted,
            alpha=self.alpha,
            beta=self.beta,
            base=self.base,
            epsilon=self.epsilon,
        )


@dataclass(frozen=True, kw_only=True)
class AveragePrecisionCriterion:
    """One minus the average precision of each image's ranking of the others.

    Unit vectors only.

    Attributes:
      bins: of the histogram of scores.
      low: score of the first bin, 0 as in the authors' code, -1 as in the paper.

    Source: Revaud et al. 2019.
    """

    bins: int = 25
    low: float = 0.0

    def __post_init__(self):
        if self.bins < 2 or not self.low < 1:
            raise InputError(
                f"bins={self.bins} and low={self.low}: expected bins >= 2, low < 1"
            )

    @property
    def unit_only(self) -> bool:
        """Whether descriptors must have length 1."""
        return True

    def __call__(
        self, descriptors: Descriptors, labels: Labels, *, key: jax.Array
    ) -> Mean:
        """Returns the mean loss of the queries that have a positive."""
        scores = jnp.matmul(descriptors, descriptors.T, precision="highest")
        pairs = pairs_of_labels(labels)
        return average_precision(
            scores, pairs.relevant, pairs.counted, bins=self.bins, low=self.low
        )


def _require_positive(**options: float) -> None:
    for name, value in options.items():
        if not 0 < value < math.inf:
            raise InputError(f"{name}={value} is not a number above 0")
