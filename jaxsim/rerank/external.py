"""Scores that another program computed, as a stage among the others."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import Ranking
from jaxsim.index.complete import rank_scores
from jaxsim.rerank.base import Asked, Gallery


@dataclass(frozen=True, eq=False)
class ExternalScores:
    """Ranks by a score of every query with every image.

    Attributes:
      scores: float32 [Q, N], finite, higher is more similar; rows as the queries of a
        collection stand, columns as its images do.

    Raises:
      InputError: a score is NaN or infinite.
    """

    scores: Float32[np.ndarray, "Q N"]

    def __post_init__(self):
        if not np.isfinite(self.scores).all():
            raise InputError("external scores must be finite; some are NaN or infinite")

    @property
    def reach(self) -> int:
        """How many results it looks at: it ranks all anew."""
        return 1

    def prepare(self, gallery: Gallery) -> Gallery:
        """Returns the gallery as it is.

        Raises:
          InputError: it has another number of images than there are scores.
        """
        if self.scores.shape[1] != len(gallery.vectors):
            raise InputError(
                f"there are external scores for {self.scores.shape[1]} images, and "
                f"{len(gallery.vectors)} images; expected one column for each"
            )
        return gallery

    def __call__(
        self, asked: Asked, ranking: Ranking, gallery: Gallery
    ) -> tuple[Asked, Ranking]:
        """Returns the queries as they are and all images ranked by their scores.

        Args:
          asked: Q queries, whose rows choose their scores.
          ranking: only its length counts.
          gallery: whose live rows are ranked.

        Raises:
          InputError: a query has no row of scores.
        """
        if len(asked.rows) and asked.rows.max() >= len(self.scores):
            raise InputError(
                f"there are external scores for {len(self.scores)} queries, and none "
                f"for query {int(asked.rows.max())}, counted from 0"
            )
        k = ranking.ids.shape[1]
        return asked, rank_scores(self.scores[asked.rows], found=gallery.live, k=k)


def read_scores(path: Path, *, queries: int, images: int) -> ExternalScores:
    """Reads scores from a file.

    Args:
      path: .npy of float [Q, N].
      queries: Q expected.
      images: N expected.

    Raises:
      InputError: the file is missing, no .npy file of numbers, has another shape, or
        some number is not finite.
    """
    try:
        scores = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(
            f"cannot read the scores '{path}' ({error}). Give a file that numpy.save "
            f"wrote, of floats [{queries}, {images}]"
        ) from error
    if not isinstance(scores, np.ndarray) or scores.dtype.kind != "f":
        raise InputError(f"'{path}' holds no floats; expected [{queries}, {images}]")
    if scores.shape != (queries, images):
        raise InputError(
            f"'{path}' has the shape {scores.shape}; expected {(queries, images)}, a "
            "row for each query and a column for each image, in the collection's order"
        )
    wrong = ~np.isfinite(scores)
    if wrong.any():
        row, column = np.argwhere(wrong)[0].tolist()
        raise InputError(
            f"'{path}' has {int(wrong.sum())} scores that are not finite, the first in "
            f"row {row}, column {column}"
        )
    with np.errstate(over="ignore"):
        small = scores.astype(np.float32)
    if not np.isfinite(small).all():
        raise InputError(f"'{path}' has scores too large for float32; scale them down")
    return ExternalScores(small)
