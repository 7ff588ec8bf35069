"""Loss and gradients of a batch, whole or in micro-batches, to the same numbers."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxsim.training.objectives.base import Batch, Metrics, Objective
from jaxsim.training.state import Tree

STATISTICS = "batch_stats"


class Gradients(NamedTuple):
    """What one batch teaches.

    Attributes:
      loss: the objective's loss.
      metrics: what else the objective reports.
      parameters: gradient of the loss, in the layout of the trained parameters.
      collections: the other variables after the batch.
    """

    loss: Float[Array, ""]
    metrics: Metrics
    parameters: Tree
    collections: Tree


Variables = Callable[[Tree], Tree]
"""From trained parameters to all variables of the objective."""


def whole_batch_gradients(
    objective: Objective,
    variables: Variables,
    trained: Tree,
    batch: Batch,
    key: jax.Array,
) -> Gradients:
    """Differentiates the loss of a batch in one piece.

    Args:
      objective: what to minimise.
      variables: fills the trained parameters up to all variables.
      trained: the parameters to differentiate.
      batch: arrays of B examples.
      key: randomness of the objective's loss.
    """

    def loss_of(trained):
        filled = variables(trained)
        outputs, updated = objective.apply(
            filled, batch, train=True, method="outputs", mutable=[STATISTICS]
        )
        loss, metrics = objective.apply(filled, outputs, batch, key=key, method="loss")
        return loss, (metrics, updated)

    differentiated = jax.value_and_grad(loss_of, has_aux=True)
    (loss, (metrics, updated)), gradients = differentiated(trained)
    others = {k: v for k, v in variables(trained).items() if k != "params"}
    return Gradients(loss, metrics, gradients, {**others, **updated})


def cached_gradients(
    objective: Objective,
    variables: Variables,
    trained: Tree,
    batch: Batch,
    key: jax.Array,
    *,
    micro_batch: int,
    parts: int = 1,
) -> Gradients:
    """Differentiates the loss of a batch with the memory of a micro-batch.

    All outputs are computed first, without keeping what a gradient would need; then
    the gradient of the loss with respect to the outputs; then each micro-batch is
    computed again and its outputs' gradient is carried to the parameters. The network
    runs forward twice; statistics of batch norm must be frozen, as they would be those
    of a micro-batch.

    Args:
      objective: what to minimise.
      variables: fills the trained parameters up to all variables.
      trained: the parameters to differentiate.
      batch: arrays of B examples.
      key: randomness of the objective's loss.
      micro_batch: examples computed at a time; divides B.
      parts: devices the batch lies on, in contiguous parts; each micro-batch takes
        its share of every part, so that no example moves.

    Source: Gao et al. 2021, "Scaling deep contrastive learning batch size under
    memory limited setup"; Revaud et al. 2019, section 3.3, for rankings of images.
    """

    def outputs_of(trained, micro):
        return objective.apply(variables(trained), micro, train=True, method="outputs")

    micros = jax.tree.map(lambda x: _split(x, micro_batch, parts), dict(batch))
    count = len(jax.tree.leaves(batch)[0])

    def forward(_, micro):
        return None, outputs_of(trained, micro)

    _, stacked = jax.lax.scan(forward, None, micros)
    outputs = _join(stacked, count, parts)

    def loss_of(trained, outputs):
        return objective.apply(
            variables(trained), outputs, batch, key=key, method="loss"
        )

    (loss, metrics), (of_loss, of_outputs) = jax.value_and_grad(
        loss_of, argnums=(0, 1), has_aux=True
    )(trained, outputs)

    def backward(total, pair):
        micro, gradient = pair
        pull = jax.vjp(lambda trained: outputs_of(trained, micro), trained)[1]
        return jax.tree.map(jnp.add, total, pull(gradient)[0]), None

    pairs = micros, _split(of_outputs, micro_batch, parts)
    gradients, _ = jax.lax.scan(backward, of_loss, pairs)
    others = {k: v for k, v in variables(trained).items() if k != "params"}
    return Gradients(loss, metrics, gradients, others)


def _split(x: Any, micro_batch: int, parts: int) -> jax.Array:
    """Cuts [B, …] into [micro-batches, micro_batch, …], a share of each part in all."""
    cut = x.reshape(parts, -1, micro_batch // parts, *x.shape[1:])
    return cut.swapaxes(0, 1).reshape(-1, micro_batch, *x.shape[1:])


def _join(x: Any, count: int, parts: int) -> jax.Array:
    """Undoes `_split`."""
    micros, micro_batch = x.shape[:2]
    cut = x.reshape(micros, parts, micro_batch // parts, *x.shape[2:])
    return cut.swapaxes(0, 1).reshape(count, *x.shape[2:])
