"""The triplets that miners return."""

from typing import NamedTuple

from jaxtyping import Array, Float32, Int32


class Triplets(NamedTuple):
    """Triplets as positions, T of them whatever the batch holds.

    Miners of a batch return T that depends on its size alone; pool mining returns
    [Q, T], T of each query. Where the weight is 0 the positions are in range, and
    mean nothing.

    Attributes:
      anchor: int32 [*Q, T], row of the anchor.
      positive: int32 [*Q, T], row of an image of the anchor's label, not itself.
      negative: int32 [*Q, T], row of an image of another label.
      weight: float32 [*Q, T], 1 for triplets, 0 for filling.
    """

    anchor: Int32[Array, "*Q T"]
    positive: Int32[Array, "*Q T"]
    negative: Int32[Array, "*Q T"]
    weight: Float32[Array, "*Q T"]
