"""Objectives that compare the descriptors of a batch with each other."""

from typing import Protocol, runtime_checkable

import jax
from jaxtyping import Array, Float, Int32

from jaxsim.core.errors import InputError
from jaxsim.losses.mean import Mean
from jaxsim.nn.descriptor import Descriptor
from jaxsim.training.objectives.base import Batch, Metrics, Objective


@runtime_checkable
class Criterion(Protocol):
    """A loss on a batch of labelled descriptors."""

    @property
    def unit_only(self) -> bool:
        """Whether descriptors must have length 1."""
        ...

    def __call__(
        self,
        descriptors: Float[Array, "B D"],
        labels: Int32[Array, " B"],
        *,
        key: jax.Array,
    ) -> Mean:
        """Returns the mean of the loss's terms and how many there were."""
        ...


class DescriptorObjective(Objective):
    """A descriptor trained by a loss on pairs, triplets or rankings of its batch.

    The batch has "images" uint8 [B, H, W, 3], "valid" int32 [B, 2] and "labels"
    int32 [B].

    Attributes:
      network: makes the descriptors.
      criterion: such as `TripletCriterion()`.

    Raises:
      InputError: the criterion needs unit vectors, which the network does not make.
    """

    network: Descriptor
    criterion: Criterion

    def setup(self):
        """Checks that the parts go together."""
        if self.criterion.unit_only and not self.network.unit:
            raise InputError(
                f"{type(self.criterion).__name__} needs descriptors that are unit "
                "vectors: set model.network.unit=True, or take a loss of distances"
            )

    def outputs(self, batch: Batch, *, train: bool) -> Float[Array, "B D"]:
        """Describes each image."""
        return self.network(batch["images"], batch["valid"], train=train)

    def loss(
        self, outputs: Float[Array, "B D"], batch: Batch, *, key: jax.Array
    ) -> tuple[Float[Array, ""], Metrics]:
        """Returns the criterion's loss; "terms" counts what it was averaged over."""
        mean = self.criterion(outputs, batch["labels"], key=key)
        return mean.value, {"terms": mean.count}
