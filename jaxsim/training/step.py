"""The one training step: gradients, optimiser, moving average; compiled and sharded."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import cast

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh
from jaxtyping import Array, Float

from jaxsim.core.errors import InputError
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


def compile_step(recipe: Recipe, mesh: Mesh) -> Step:
    """Returns the step: state and batch to the next state and metrics.

    The state is replicated over the mesh and its memory is used again; the batch is
    split along its first axis. "loss" and "gradient_norm" are always among the metrics.

    Args:
      recipe: what to do.
      mesh: the devices.
    """
    everywhere, by_example = replicated(mesh), batch_sharding(mesh)
    return jax.jit(
        partial(_step, recipe, mesh.size),
        in_shardings=(everywhere, by_example),
        out_shardings=(everywhere, everywhere),
        donate_argnums=0,
    )


def check_batch_size(batch_size: int, recipe: Recipe, devices: int) -> None:
    """Raises InputError unless a batch splits over devices and micro-batches."""
    micro = recipe.micro_batch
    if batch_size % devices or (micro and (batch_size % micro or micro % devices)):
        raise InputError(
            f"a batch of {batch_size} images"
            + (f" in micro-batches of {micro}" if micro else "")
            + f" does not split evenly over {devices} devices. Choose a batch size "
            "that is a multiple of the micro-batch, and both of the devices"
        )


def _step(recipe: Recipe, devices: int, state: TrainState, batch: Batch):
    trained, frozen = split(state.params, recipe.groups)
    found = _gradients(recipe, devices, state, trained, frozen, batch)
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
    return cached_gradients(
        recipe.objective,
        variables,
        trained,
        batch,
        key,
        micro_batch=recipe.micro_batch,
        parts=devices,
    )
