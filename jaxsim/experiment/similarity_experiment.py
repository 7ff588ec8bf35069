"""What a config of learned similarity describes."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import optax

from jaxsim.core.errors import InputError, require_choice
from jaxsim.data.records import Record
from jaxsim.experiment.model_spec import ModelSpec
from jaxsim.experiment.training_experiment import Keep, RetrievalMeasure
from jaxsim.nn.similarity import SimilarityNetwork
from jaxsim.training.hard_pairs import HardPairMining
from jaxsim.training.loop import Every
from jaxsim.training.optim import Rate


@dataclass(frozen=True, kw_only=True)
class SimilarityExperiment:
    """A similarity of pairs of descriptors, trained on labelled images or on none.

    Attributes:
      network: scores pairs.
      descriptor: describes the images, unless a file has their descriptors; its
        whitening is fitted on the training images.
      data: from the folder given by --data to the images to train on.
      delta: Δ of the targets, see `SimilarityObjective`; None learns the cosine, from
        synthetic pairs.
      pairs: of a batch.
      optimiser: given the learning rate, such as `fdl.Partial(adam)`.
      learning_rate: a number, or a function of the step.
      steps: updates in all.
      mining: looks for difficult pairs; None takes random ones.
      start: folder of a run, or its model/, to go on from; None starts from nothing.
      descriptors: a file of `jaxsim embed` with the descriptors of all images, by name;
        None describes them once. Where --data is such a file itself, its images are
        those of the run.
      clip_norm: largest norm of the gradient; None does not clip.
      average_decay: of a moving average of the parameters, which is then what is kept.
      measure: what is measured; None trains blindly.
      every: how often to measure and to keep a checkpoint.
      keep: whether the "last" or the "best" model is kept; see `TrainingExperiment`.
      seed: of everything random.

    Raises:
      InputError: a number is out of range, or difficult pairs are looked for among
        synthetic ones.
    """

    network: SimilarityNetwork
    descriptor: ModelSpec
    data: Callable[[Path], Sequence[Record]]
    delta: float | None
    pairs: int
    optimiser: Callable[[Rate], optax.GradientTransformation]
    learning_rate: Rate
    steps: int
    mining: Callable[..., HardPairMining] | None = None
    start: str | None = None
    descriptors: str | None = None
    clip_norm: float | None = None
    average_decay: float | None = None
    measure: RetrievalMeasure | None = None
    every: Every = field(default_factory=Every)
    keep: Keep = "last"
    seed: int = 0

    def __post_init__(self):
        require_choice("keep", self.keep, Keep)
        if self.steps < 1 or self.pairs < 1:
            raise InputError(
                f"steps={self.steps} and pairs={self.pairs}: at least one of each is "
                "needed"
            )
        rate = self.learning_rate
        if not callable(rate) and not 0 < rate < math.inf:
            raise InputError(f"learning_rate={rate} is not above 0")
        if self.mining is not None and self.delta is None:
            raise InputError(
                "delta=None learns from synthetic pairs, of which none is difficult. "
                "Set mining=None, or a delta such as 0.8"
            )


@dataclass(frozen=True, kw_only=True)
class SimilarityStages:
    """Three trainings of one network, each going on from the one before.

    Attributes:
      deepcosine: learns the cosine.
      deepsim: moves the scores of matching pairs up, and of others down.
      deepsimh: does so on difficult pairs.
    """

    deepcosine: SimilarityExperiment
    deepsim: SimilarityExperiment
    deepsimh: SimilarityExperiment


STAGES = ("deepcosine", "deepsim", "deepsimh")
