"""The answer to a query: database rows ordered by score."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float32, Int64

from jaxsim.core.errors import InputError

MISSING_ID = -1

Comparison = Literal["cosine", "distance"]
"""How descriptors are compared: by the inner product of unit vectors, or by minus the
squared Euclidean distance of any vectors. Higher scores are more similar."""


@dataclass(frozen=True)
class Ranking:
    """Rows of a database ordered by falling score, then by rising id.

    Attributes:
      ids: int64 [Q, K], row numbers of the database; -1 where there is no K-th row.
      scores: float32 [Q, K], higher is more similar; -inf where the id is -1.

    Raises:
      InputError: shapes differ, scores are NaN or out of order, an id repeats.
    """

    ids: Int64[np.ndarray, "Q K"]
    scores: Float32[np.ndarray, "Q K"]

    def __post_init__(self):
        ids, scores = self.ids, self.scores
        if ids.ndim != 2 or ids.shape != scores.shape:
            raise InputError(
                f"a ranking needs ids and scores of one shape [Q, K]; got {ids.shape} "
                f"and {scores.shape}"
            )
        if np.isnan(scores).any():
            raise InputError("a ranking cannot hold NaN scores")
        if (scores[:, 1:] > scores[:, :-1]).any():
            raise InputError("the scores of a ranking must not rise along a row")
        tied = scores[:, 1:] == scores[:, :-1]
        found = ids[:, 1:] != MISSING_ID
        if (tied & found & (ids[:, 1:] <= ids[:, :-1])).any():
            raise InputError("equal scores must be ordered by rising id")
        if ((ids == MISSING_ID) != np.isneginf(scores)).any():
            raise InputError("missing results are exactly id -1 with score -inf")
        ordered = np.sort(ids, axis=1)
        repeats = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] != MISSING_ID)
        if repeats.any():
            raise InputError("a ranking cannot hold one id twice in a row")

    @classmethod
    def from_scores(
        cls, ids: np.ndarray, scores: np.ndarray, k: int | None = None
    ) -> "Ranking":
        """Sorts unordered candidates by score, then id.

        Args:
          ids: int [Q, M] row numbers; -1 marks a missing candidate.
          scores: float [Q, M]; ignored where the id is -1.
          k: how many to keep; all by default.
        """
        ids = np.asarray(ids, np.int64)
        missing = ids == MISSING_ID
        scores = np.where(missing, -np.inf, scores).astype(np.float32)
        order = np.lexsort(
            (np.where(missing, np.iinfo(np.int64).max, ids), -scores), axis=1
        )
        order = order[:, :k]
        return cls(
            np.take_along_axis(ids, order, axis=1),
            np.take_along_axis(scores, order, axis=1),
        )

    def widened(self, k: int) -> "Ranking":
        """Returns the ranking with missing results at the end, k >= K in all."""
        more = ((0, 0), (0, k - self.ids.shape[1]))
        return Ranking(
            np.pad(self.ids, more, constant_values=MISSING_ID),
            np.pad(self.scores, more, constant_values=-np.inf),
        )
