"""How far what an exported file computes is from what jaxsim computes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float32

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import Comparison

MOST_ERROR = 1e-4
"""A larger error refuses the export."""
TIE = 1e-5
"""Results whose scores are closer may change places."""


@dataclass(frozen=True, kw_only=True)
class Parity:
    """What was compared, one by one.

    Attributes:
      names: of N photos, or of descriptors where the model takes these.
      errors: of each, the largest difference of a number; of descriptors as a part of
        the largest length among them, which is 1 for unit vectors.
      cosines: of each, between both descriptors, or both rows of scores.
      reordered: of each, whether the others are ranked in another order by it; results
        closer than 1e-5 may change places.
    """

    names: tuple[str, ...]
    errors: tuple[float, ...]
    cosines: tuple[float, ...]
    reordered: tuple[bool, ...]

    @property
    def max_error(self) -> float:
        """The largest of all errors; NaN if one is."""
        return float(np.max(self.errors))

    def metrics(self) -> dict[str, float]:
        """Returns the numbers of a report."""
        return {
            "max_error": self.max_error,
            "min_cosine": float(np.min(self.cosines)),
            "mean_cosine": float(np.mean(self.cosines)),
            "rankings_unchanged": 1 - float(np.mean(self.reordered)),
        }

    def require(self, what: str) -> None:
        """Raises InputError unless the largest error is at most 1e-4."""
        if not self.max_error <= MOST_ERROR:
            worst = int(np.argmax(np.nan_to_num(self.errors, nan=np.inf)))
            raise InputError(
                f"{what} was not written: it differs from the model by up to "
                f"{self.max_error:.2g}, which is more than {MOST_ERROR:g}, most of all "
                f"on '{self.names[worst]}'. Choose another --format, and report this "
                "with the config of the model"
            )


def compare_descriptors(
    reference: Float32[np.ndarray, "N D"],
    exported: Float32[np.ndarray, "N D"],
    names: Sequence[str],
    *,
    comparison: Comparison,
) -> Parity:
    """Compares descriptors, and the rankings that each photo gives of the others.

    Args:
      reference: of jaxsim.
      exported: of the exported file.
      names: of the photos.
      comparison: how descriptors are compared.
    """
    length = float(np.linalg.norm(reference, axis=1).max()) or 1.0
    return _parity(
        reference,
        exported,
        names,
        scale=length,
        scores=(_scores(reference, comparison), _scores(exported, comparison)),
    )


def compare_scores(
    reference: Float32[np.ndarray, "N N"],
    exported: Float32[np.ndarray, "N N"],
    names: Sequence[str],
) -> Parity:
    """Compares the scores of every photo with every photo.

    Args:
      reference: of jaxsim, one row a query.
      exported: of the exported file.
      names: of the photos.
    """
    scale = max(1.0, float(np.abs(reference).max()))
    return _parity(
        reference, exported, names, scale=scale, scores=(reference, exported)
    )


def _parity(reference, exported, names, *, scale, scores) -> Parity:
    norms = np.linalg.norm(reference, axis=1) * np.linalg.norm(exported, axis=1)
    cosines = np.sum(reference * exported, axis=1) / np.maximum(norms, 1e-12)
    before, after = scores
    return Parity(
        names=tuple(names),
        errors=tuple((np.abs(reference - exported).max(axis=1) / scale).tolist()),
        cosines=tuple(cosines.tolist()),
        reordered=tuple(
            is_reordered(np.delete(before[i], i), np.delete(after[i], i))
            for i in range(len(names))
        ),
    )


def _scores(vectors: np.ndarray, comparison: Comparison) -> np.ndarray:
    wide = vectors.astype(np.float64)
    products = wide @ wide.T
    if comparison == "cosine":
        return products
    squares = np.diag(products)
    return 2 * products - squares[:, None] - squares[None]


def is_reordered(before: np.ndarray, after: np.ndarray) -> bool:
    """Returns whether scores put results in another order than scores before did.

    Args:
      before: [N] scores; results closer than 1e-5, as a part of the largest if that is
        above 1, are equal.
      after: [N].

    >>> is_reordered(np.array([0.9, 0.5]), np.array([0.4, 0.5]))
    True
    >>> is_reordered(np.array([0.5, 0.500001]), np.array([0.500001, 0.5]))
    False
    """
    if not len(before):
        return False
    ranked = before[np.argsort(-after, kind="stable")]
    lowest_so_far = np.minimum.accumulate(ranked)
    tie = TIE * max(1.0, float(np.abs(before).max()))
    return not bool(np.all(ranked <= lowest_so_far + tie))
