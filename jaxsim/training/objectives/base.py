"""What every objective offers, so that one step trains them all."""

from collections.abc import Mapping

import flax.linen as nn
import jax
from jaxtyping import Array, Float

Batch = Mapping[str, Array]
"""Arrays whose first axis is the example; only the objective knows the keys."""

Metrics = dict[str, Float[Array, ""]]


class Objective(nn.Module):
    """A network and the loss that is put on its outputs.

    The two halves are separate so that the step may compute outputs in micro-batches
    and still put the loss on the whole batch: `outputs` treats each example alone
    (but for the statistics of live batch norm), `loss` sees all of them. Parameters of
    the loss, such as class weights, belong to the objective beside its network.
    """

    def outputs(self, batch: Batch, *, train: bool) -> Float[Array, "B *output"]:
        """Returns what the network makes of each example, float32 [B, …]."""
        raise NotImplementedError

    def loss(
        self, outputs: Float[Array, "B *output"], batch: Batch, *, key: jax.Array
    ) -> tuple[Float[Array, ""], Metrics]:
        """Returns the loss and what else is worth watching.

        Args:
          outputs: of the whole batch.
          batch: the whole batch; large inputs such as images are not needed here.
          key: randomness of this step, for miners that draw.
        """
        raise NotImplementedError

    def __call__(self, batch: Batch, *, key: jax.Array):
        """Computes both halves; used to make the initial parameters."""
        return self.loss(self.outputs(batch, train=False), batch, key=key)

    def for_labels(self, count: int) -> "Objective":
        """Returns the objective for data of this many labels."""
        del count
        return self
