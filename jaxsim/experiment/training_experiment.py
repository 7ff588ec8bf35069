"""What a training config describes."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import optax

from jaxsim.core.errors import InputError, require_choice
from jaxsim.data.augment import Augmentation
from jaxsim.data.records import Record, RetrievalSet
from jaxsim.data.samplers import Sampler
from jaxsim.evaluation.protocols.base import Protocol
from jaxsim.experiment.model_spec import ModelSpec
from jaxsim.parallel.mesh import MeshShape
from jaxsim.training.loop import Every
from jaxsim.training.mining import PoolMining
from jaxsim.training.objectives.base import Objective
from jaxsim.training.optim import Group, Rate

Keep = Literal["last", "best"]


@dataclass(frozen=True, kw_only=True)
class RetrievalMeasure:
    """What is measured while training goes on.

    Attributes:
      data: from the folder given by --data to the sets that are measured; none if the
        data has nothing to measure on.
      protocol: which results are right, and what is measured.
      main: the metric by which the best checkpoint is chosen, such as "test/map"; None
        takes the first of the first set.
    """

    data: Callable[[Path], list[RetrievalSet]]
    protocol: Protocol
    main: str | None = None


@dataclass(frozen=True, kw_only=True)
class TrainingExperiment:
    """A descriptor trained on labelled images.

    In a config, numbers of steps may be given as `Epochs`: that of the whole run, those
    of a schedule, and how often things are done.

    Attributes:
      model: the network, its input and its first weights.
      objective: given `network=`, what is minimised.
      data: from the folder given by --data to the labelled images to train on.
      sampler: given `labels` and `seed=`, which images make a batch.
      transform: from an image to what the network sees in training.
      optimiser: given the learning rate, such as `fdl.Partial(adam)`.
      learning_rate: a number, or a function of the step.
      clip_norm: largest norm of the gradient; None does not clip.
      steps: updates in all.
      groups: parameters that are frozen or learn at another rate.
      micro_batch: images computed at a time by cached gradients; None takes whole
        batches.
      average_decay: of a moving average of the parameters, which is then what is
        measured and kept; None takes the parameters themselves.
      mining: given `labels=`, `describe=`, `triplets=` and `seed=`, chooses triplets by
        the network; of the sampler, such as `RandomTriplets`, the batch size is then
        all that counts.
      similarity: folder of a similarity that was trained, from which the objective's
        own goes on; None starts it from nothing.
      measure: what is measured; None trains blindly.
      every: how often to measure and to keep a checkpoint.
      keep: whether the model that is kept is that of the "last" step or that of the
        "best" measurement, whose numbers are then too good: chosen on these images.
      mesh: how the devices share the work; what is trained does not depend on it.
      seed: of everything random.

    Raises:
      InputError: a number is out of range.
    """

    model: ModelSpec
    objective: Callable[..., Objective]
    data: Callable[[Path], Sequence[Record]]
    sampler: Callable[..., Sampler]
    transform: Augmentation
    optimiser: Callable[[Rate], optax.GradientTransformation]
    learning_rate: Rate
    steps: int
    clip_norm: float | None = None
    groups: tuple[Group, ...] = ()
    micro_batch: int | None = None
    average_decay: float | None = None
    mining: Callable[..., PoolMining] | None = None
    similarity: str | None = None
    measure: RetrievalMeasure | None = None
    every: Every = field(default_factory=Every)
    keep: Keep = "last"
    mesh: MeshShape = field(default_factory=MeshShape)
    seed: int = 0

    def __post_init__(self):
        require_choice("keep", self.keep, Keep)
        if self.steps < 1:
            raise InputError(f"steps={self.steps}: at least one is needed")
        if self.micro_batch is not None and self.micro_batch < 1:
            raise InputError(
                f"micro_batch={self.micro_batch}: at least 1, or None for whole batches"
            )
        rate = self.learning_rate
        if not callable(rate) and not 0 < rate < math.inf:
            raise InputError(f"learning_rate={rate} is not above 0")
        decay = self.average_decay
        if decay is not None and not 0 < decay < 1:
            raise InputError(f"average_decay={decay} is not between 0 and 1")
