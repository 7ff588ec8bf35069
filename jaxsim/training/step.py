"""The one training step: gradients, optimiser, moving average; compiled and sharded."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Float

from jaxsim.core.errors import InputError
from jaxsim.parallel.layout import layout as layout_of
from jaxsim.parallel.mesh import batch_sharding, replicated
from jaxsim.training.gradients import (
    Gradients,
    cached_gradients,
    whole_batch_gradients,
)
from jaxsim.training.objectives.base import Batch, Objective
from jaxsim.training.optim import Group, Rate, build_optimiser, ema_update, merge, split
from jaxsim.training.state import TrainState, Tree

StepMetrics = dict[str, Float[Array, ""]]
Step = Callable[[TrainState, Batch], tuple[TrainState, StepMetrics]]


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How an objective is minimised.

    Attributes:
      objective: what to minimise.
      optimiser: given a learning rate, such as `partial(sgd, momentum=0.9)`.
      learning_rate: a number, or a function of the step.
      clip_norm: largest norm of the gradient; None does not clip.
      groups: parameters that are frozen or learn at another rate.
      micro_batch: examples computed at a time by cached gradients; None computes the
        whole batch in one piece.
      average_decay: of the moving average of the parameters; None keeps none.
      seed: of the randomness inside the loss.
    """

    objective: Objective
    optimiser: Callable[[Rate], optax.GradientTransformation]
    learning_rate: Rate
    clip_norm: float | None = None
    groups: tuple[Group, ...] = ()
    micro_batch: int | None = None
    average_decay: float | None = None
    seed: int = 0

    def transformation(self) -> optax.GradientTransformation:
        """Returns the optimiser with clipping before it and groups after it."""
        return build_optimiser(
            self.optimiser(self.learning_rate), self.groups, clip=self.clip_norm
        )

    def start(self, variables: Tree, pool: Tree | None = None) -> TrainState:
        """Returns the state before the first update.

        Args:
          variables: of the objective: {"params": …, "batch_stats": …}.
          pool: room for what pool mining chooses.
        """
        # A copy, because the step uses the memory of its input again.
        variables = jax.tree.map(jnp.array, dict(variables))
        params = variables.pop("params")
        trained, _ = split(params, self.groups)
        averaged = self.average_decay is not None
        return TrainState(
            step=jnp.zeros((), jnp.int32),
            params=params,
            collections=variables,
            optimiser=self.transformation().init(trained),
            average=jax.tree.map(jnp.array, trained) if averaged else None,
            pool=pool or {},
        )


def compile_step(recipe: Recipe, mesh: Mesh, layout: TrainState | None = None) -> Step:
    """Returns the step: state and batch to the next state and metrics.

    The memory of the state is used again; the batch is split along its first axis.
    "loss" and "gradient_norm" are always among the metrics.

    Args:
      recipe: what to do.
      mesh: the devices.
      layout: where the parts of the state lie, of `state_layout`; None holds all of it
        whole on every device.
    """
    everywhere, by_example = replicated(mesh), batch_sharding(mesh)
    states = everywhere if layout is None else layout
    return jax.jit(
        partial(_step, recipe, mesh.size, layout),
        in_shardings=(states, by_example),
        out_shardings=(states, everywhere),
        donate_argnums=0,
    )


def state_layout(
    state: TrainState, mesh: Mesh, *, whole: Sequence[str] = ()
) -> TrainState:
    """Returns where the parts of a state lie: what is trained is cut along "fsdp".

    Between steps each device holds its part of parameters, moments and averages. In a
    step parameters are gathered once, and gradients are summed on all devices, each of
    which keeps its part.

    Args:
      state: or what has its shapes.
      mesh: the devices.
      whole: patterns of paths of parameters that are not cut.

    Source: Rajbhandari et al. 2020, "ZeRO", stages 1 to 3, for what is held between
      steps; in a step parameters and sums of gradients are whole.
    """
    places = layout_of(state, mesh, whole=whole)
    everywhere = replicated(mesh)
    others = jax.tree.map(lambda _: everywhere, (state.collections, state.pool))
    return places.replace(step=everywhere, collections=others[0], pool=others[1])


def check_batch_size(
    batch_size: int, recipe: Recipe, devices: int, *, chosen_by: str
) -> None:
    """Raises InputError unless a batch splits over devices and micro-batches.

    Args:
      batch_size: examples of a batch.
      recipe: of the training.
      devices: that share the batch.
      chosen_by: fields of the config that set its size, such as "pairs=32".
    """
    micro = recipe.micro_batch
    factors = [f"the {devices} devices"] if batch_size % devices else []
    if micro and batch_size % micro:
        factors.append(f"micro_batch={micro}")
    if factors:
        raise InputError(
            f"a batch of {batch_size} examples ({chosen_by}) does not split evenly "
            f"over {' and '.join(factors)}. Change these fields of the config by "
            "--set FIELD=VALUE so that it does"
        )


def micro_batch_on(devices: int, batch_size: int, micro_batch: int) -> int:
    """Returns how many examples are computed at a time on so many devices.

    Each device takes as many, so that the smallest multiple of the devices is taken
    that is not below `micro_batch` and divides the batch. The numbers are the same.

    Args:
      devices: that share the batch, a divisor of it.
      batch_size: examples of a batch.
      micro_batch: a divisor of it, as the recipe has it.

    >>> micro_batch_on(64, 192, 8), micro_batch_on(4, 192, 8)
    (64, 8)
    """
    return next(
        size
        for size in range(devices, batch_size + 1, devices)
        if size >= micro_batch and batch_size % size == 0
    )


def _step(
    recipe: Recipe,
    devices: int,
    layout: TrainState | None,
    state: TrainState,
    batch: Batch,
):
    trained, frozen = split(state.params, recipe.groups)
    if layout is None:
        found = _gradients(recipe, devices, state, trained, frozen, batch)
    else:
        places = split(layout.params, recipe.groups)[0]
        everywhere = layout.step
        whole, still = jax.lax.with_sharding_constraint((trained, frozen), everywhere)
        found = _gradients(recipe, devices, state, whole, still, batch)
        # Summed first: the layout of parts must not reach into the backward pass.
        sums = jax.lax.with_sharding_constraint(found.parameters, everywhere)
        parts = jax.lax.with_sharding_constraint(sums, places)
        found = found._replace(parameters=parts)
    updates, optimiser = recipe.transformation().update(
        found.parameters, state.optimiser, trained
    )
    trained = cast(Tree, optax.apply_updates(trained, updates))
    average = state.average
    if recipe.average_decay is not None:
        average = ema_update(average, trained, decay=recipe.average_decay)
    metrics = {
        "loss": found.loss,
        "gradient_norm": optax.tree.norm(found.parameters),
        "learning_rate": _rate(recipe.learning_rate, state.step),
        **found.metrics,
    }
    following = state.replace(
        step=state.step + 1,
        params=merge(trained, frozen),
        collections=found.collections,
        optimiser=optimiser,
        average=average,
    )
    return following, metrics


def _rate(rate: Rate, step: jax.Array) -> jax.Array:
    return jnp.asarray(rate(step) if callable(rate) else rate, jnp.float32)


def _gradients(recipe, devices, state, trained, frozen, batch) -> Gradients:
    key = jax.random.fold_in(jax.random.key(recipe.seed), state.step)

    def variables(trained):
        return {"params": merge(trained, frozen), **state.collections}

    if recipe.micro_batch is None:
        return whole_batch_gradients(recipe.objective, variables, trained, batch, key)
    count = len(jax.tree.leaves(batch)[0])
    return cached_gradients(
        recipe.objective,
        variables,
        trained,
        batch,
        key,
        micro_batch=micro_batch_on(devices, count, recipe.micro_batch),
        parts=devices,
    )
