"""Database augmentation: every descriptor is joined by its neighbours, once."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import Ranking
from jaxsim.rerank.base import Asked, Gallery

BLOCK_ROWS = 4096


@dataclass(frozen=True, kw_only=True)
class DatabaseAugmentation:
    """Searches weighted means of each descriptor and its nearest neighbours.

    x_i' = Σ w_r x_(r) / Σ w over x_i itself and its k neighbours in order, with the
    weights 1, then (k - j) / k for j = 0 to k - 1. The means are not scaled to length
    1, as in the authors' release: scores then also say how alike a row's neighbours
    are.

    Attributes:
      k: number of neighbours.

    Raises:
      InputError: k < 1.

    Source: Gordo et al. 2017, section 6.3 and its published code; Arandjelović and
    Zisserman 2012.
    """

    k: int = 20

    def __post_init__(self):
        if self.k < 1:
            raise InputError(f"database augmentation needs k >= 1; got {self.k}")

    @property
    def reach(self) -> int:
        """How many results it looks at: it asks again, whatever was found."""
        return 1

    def prepare(self, gallery: Gallery) -> Gallery:
        """Returns the augmented gallery."""
        augmented = np.empty_like(gallery.vectors)
        for start in range(0, len(augmented), BLOCK_ROWS):
            rows = np.arange(start, min(start + BLOCK_ROWS, len(augmented)))
            augmented[rows] = self._augmented(gallery, rows)
        return Gallery(augmented, gallery.live)

    def __call__(
        self, asked: Asked, ranking: Ranking, gallery: Gallery
    ) -> tuple[Asked, Ranking]:
        """Returns what the queries find in the augmented gallery.

        Args:
          asked: Q queries.
          ranking: only its length counts.
          gallery: as `prepare` returned it.
        """
        return asked, gallery.search(asked.vectors, ranking.ids.shape[1])

    def _augmented(self, gallery: Gallery, rows) -> Float32[np.ndarray, "M D"]:
        own = gallery.vectors[rows]
        # A copy may be as near as the row itself, which is set first whatever comes.
        near = min(self.k, len(gallery.vectors))
        found = gallery.search(own, near + 1)
        itself = found.ids == rows[:, None]
        order = np.argsort(itself, axis=1, kind="stable")
        ids = np.take_along_axis(found.ids, order, axis=1)[:, :near]
        weights = np.where(ids >= 0, self.weights(near)[None, 1:], 0).astype(np.float32)
        total = own + np.einsum("mk,mkd->md", weights, gallery.vectors[ids])
        return total / (1 + weights.sum(axis=1, keepdims=True))

    def weights(self, near: int) -> Float32[np.ndarray, " near1"]:
        """Returns the weight of the row itself and of its first neighbours.

        Args:
          near: how many of these, k at the most.

        >>> DatabaseAugmentation(k=2).weights(2)
        array([1. , 1. , 0.5], dtype=float32)
        """
        falling = (float(self.k) - np.arange(near)) / float(self.k)
        return np.concatenate([[1], falling]).astype(np.float32)
