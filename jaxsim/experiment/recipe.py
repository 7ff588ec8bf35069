"""From a training experiment to what its step minimises, without data or devices."""

from jax.typing import DTypeLike

from jaxsim.core.errors import InputError
from jaxsim.experiment.training_experiment import TrainingExperiment
from jaxsim.training.objectives.base import Objective
from jaxsim.training.step import Recipe


def build_recipe(
    experiment: TrainingExperiment, *, num_labels: int, dtype: DTypeLike
) -> Recipe:
    """Returns how the experiment's objective is minimised.

    Args:
      experiment: constructed, its numbers of steps known.
      num_labels: of the training images.
      dtype: in which the backbone computes.

    Raises:
      InputError: micro-batches with statistics of batch norm.
    """
    return Recipe(
        objective=_objective(experiment, num_labels, dtype),
        optimiser=experiment.optimiser,
        learning_rate=experiment.learning_rate,
        clip_norm=experiment.clip_norm,
        groups=experiment.groups,
        micro_batch=experiment.micro_batch,
        average_decay=experiment.average_decay,
        seed=experiment.seed,
    )


def _objective(
    experiment: TrainingExperiment, num_labels: int, dtype: DTypeLike
) -> Objective:
    network = experiment.model.network
    backbone = network.backbone.clone(dtype=dtype)
    if experiment.micro_batch and getattr(backbone, "norm", None) == "batch":
        raise InputError(
            "micro_batch cannot be used with norm='batch': the statistics would be "
            "those of a micro-batch. Set norm='frozen', or micro_batch=None"
        )
    objective = experiment.objective(network=network.clone(backbone=backbone))
    return objective.for_labels(num_labels)
