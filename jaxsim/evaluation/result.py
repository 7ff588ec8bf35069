"""What an evaluation found, with the variant of every rule that was used."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float32, Int8

from jaxsim.core.ranking import Ranking
from jaxsim.data.rejects import Reject


@dataclass(frozen=True, kw_only=True)
class SetResult:
    """The outcome of one retrieval set under one protocol.

    Attributes:
      name: the set's name, the prefix of its metric names.
      metrics: fraction per metric, such as {"map": 0.742, "recall@1": 0.653}.
      definitions: for every metric, one sentence that defines it.
      protocol: the variant used: AP rule, junk rule, self-match rule, queries judged
        and left out, …
      average_precision: float32 [Q], of the protocol's main metric; NaN for queries
        that are not judged (no positives).
      ranking: the first K results of every query, self-match and ignored included.
      relevance: int8 [Q, K], 1 right, 0 wrong, -1 ignored (junk, self or missing).
      num_positives: int64 [Q], relevant images that exist in the database.
      timings: milliseconds a query of stages of re-ranking.
    """

    name: str
    metrics: dict[str, float]
    definitions: dict[str, str]
    protocol: dict[str, str]
    average_precision: Float32[np.ndarray, " Q"]
    ranking: Ranking
    relevance: Int8[np.ndarray, "Q K"]
    num_positives: np.ndarray
    timings: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class EvaluationResult:
    """All sets of one evaluation and what they were measured with.

    Attributes:
      sets: one result per retrieval set.
      model: name, weights, pooling, fingerprint, preprocessing, … for people.
      data: where the images came from and how many were rejected.
      rejects: the images that could not be used.
      versions: of jaxsim, jax, flax, numpy and Python.
      device: what computed the descriptors.
      timings: seconds or rates of the stages, such as {"embed_images_per_s": 61.0}.
    """

    sets: tuple[SetResult, ...]
    model: dict[str, str]
    data: dict[str, str]
    versions: dict[str, str]
    device: str
    rejects: tuple[Reject, ...] = ()
    timings: dict[str, float] = field(default_factory=dict)

    @property
    def metrics(self) -> dict[str, float]:
        """Returns every metric as "<set>/<metric>": fraction."""
        return {f"{s.name}/{k}": v for s in self.sets for k, v in s.metrics.items()}

    def to_json(self) -> dict:
        """Returns a JSON object: metrics (flat), protocol, data, model, versions, …."""
        return {
            "metrics": self.metrics,
            "definitions": {s.name: s.definitions for s in self.sets},
            "protocol": {s.name: s.protocol for s in self.sets},
            "data": self.data,
            "rejects": [{"name": r.name, "reason": r.reason} for r in self.rejects],
            "model": self.model,
            "versions": self.versions,
            "device": self.device,
            "timings": self.timings,
        }
