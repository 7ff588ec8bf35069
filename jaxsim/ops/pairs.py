"""Which pairs of a batch match."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int


class Pairs(NamedTuple):
    """Masks over pairs of a query (row) and an image (column).

    Attributes:
      relevant: bool [Q, N], pairs that match.
      counted: bool [Q, N], pairs that are judged at all; those of an image with
        itself are not. A negative is counted and not relevant.
    """

    relevant: Bool[Array, "Q N"]
    counted: Bool[Array, "Q N"]

    @property
    def positive(self) -> Bool[Array, "Q N"]:
        """The pairs that match and are counted."""
        return self.relevant & self.counted

    @property
    def negative(self) -> Bool[Array, "Q N"]:
        """The pairs that do not match and are counted."""
        return self.counted & ~self.relevant


def pairs_of_labels(labels: Int[Array, " B"]) -> Pairs:
    """Returns all pairs of a batch; those of equal labels match.

    Args:
      labels: int [B].
    """
    same = labels[:, None] == labels[None]
    return Pairs(relevant=same, counted=~jnp.eye(len(labels), dtype=bool))
