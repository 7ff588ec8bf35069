"""What a config of descriptors made on a graph describes."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import optax

from jaxsim.core.errors import InputError, require_choice
from jaxsim.data.neighbour_lists import SUFFIXES
from jaxsim.data.published import PublishedDescriptors
from jaxsim.data.records import Record
from jaxsim.experiment.model_spec import ModelSpec
from jaxsim.experiment.training_experiment import RetrievalMeasure
from jaxsim.nn.graph import GraphNetwork
from jaxsim.training.loop import Every
from jaxsim.training.optim import Rate

GraphKeep = Literal["slowest", "last"]
NEAREST = "nearest"
VERIFIED = "verified"


@dataclass(frozen=True, kw_only=True)
class GraphExperiment:
    """New descriptors for an index, trained on its own graph without labels.

    One step is one epoch, which sees all images.

    Attributes:
      network: makes the descriptors.
      data: from the folder given by --data to the images of the index.
      neighbours: k of the graph, counting an image itself.
      query_neighbours: kq of images that are not in the index.
      graph: who the neighbours of an image are: the "nearest" by descriptors; those
        "verified", whose points lie as its own, see `jaxsim graph verify`; or a file,
        see `jaxsim.data.neighbour_lists`. Weights are cosines in any case.
      queries: likewise, of images that are not in the index. A file has those of the
        queries that are measured. Both "nearest" is GSS; graph "verified" GSS_V, and
        queries as well GSS_V-SV.
      percent: β of the loss is this percentile of the similarities at the beginning.
      optimiser: given the learning rate, such as `fdl.Partial(adam)`.
      learning_rate: a number, or a function of the step.
      steps: epochs in all.
      descriptor: describes the images, unless a file has their descriptors.
      fit_data: from the folder to the images that whitening is fitted on; None takes
        those of the index.
      descriptors: a file of `jaxsim embed` with the descriptors of all images, by name;
        None describes them once. Where --data is such a file itself, its images are
        the index.
      published: reads descriptors of a published set, in place of all of these.
      alpha: α of the loss.
      measure: what is measured; None trains blindly.
      every: how often to measure and to keep a checkpoint.
      keep: which epoch is kept: the one after which the loss fell "slowest", see
        `slowest_epoch`, or the "last". Neither looks at labels.
      seed: of the first weights.

    Raises:
      InputError: a number is out of range.
    """

    network: GraphNetwork
    data: Callable[[Path], Sequence[Record]]
    neighbours: int
    query_neighbours: int
    optimiser: Callable[[Rate], optax.GradientTransformation]
    learning_rate: Rate
    steps: int
    graph: str = NEAREST
    queries: str = NEAREST
    percent: float = 98.0
    descriptor: ModelSpec | None = None
    fit_data: Callable[[Path], Sequence[Record]] | None = None
    descriptors: str | None = None
    published: PublishedDescriptors | None = None
    alpha: float = 1.0
    measure: RetrievalMeasure | None = None
    every: Every = field(default_factory=Every)
    keep: GraphKeep = "slowest"
    seed: int = 0

    def __post_init__(self):
        require_choice("keep", self.keep, GraphKeep)
        if self.neighbours < 2 or self.query_neighbours < 1 or self.steps < 1:
            raise InputError(
                f"k={self.neighbours}, kq={self.query_neighbours} and epochs="
                f"{self.steps} (the fields neighbours, query_neighbours and steps): at "
                "least 2, 1 and 1 are needed; k counts an image itself"
            )
        for name in ("graph", "queries"):
            source = getattr(self, name)
            if (
                source not in (NEAREST, VERIFIED)
                and Path(source).suffix not in SUFFIXES
            ):
                raise InputError(
                    f"{name}={source}: expected {NEAREST}, {VERIFIED}, or a file of "
                    f"neighbours ending in {' or '.join(SUFFIXES)}"
                )
        if not 0 <= self.percent <= 100:
            raise InputError(f"percent={self.percent} is not between 0 and 100")
        if not 0 < self.alpha < math.inf:
            raise InputError(f"alpha={self.alpha} is not above 0")
        rate = self.learning_rate
        if not callable(rate) and not 0 < rate < math.inf:
            raise InputError(f"learning_rate={rate} is not above 0")

    def check_fits(self, images: int, length: int) -> None:
        """Raises InputError if no such graph can be made of these descriptors.

        Args:
          images: how many there are.
          length: how many numbers each has.
        """
        dim = self.network.dim
        if length != dim:
            raise InputError(
                f"the descriptors have {length} dimensions, and the network "
                f"is one of {dim}. Give the config the option dim={length}, "
                f"as in configs/gss.py:dim={length}"
            )
        if images < 2:
            raise InputError(
                f"{images} images make no graph. Give an index of at least 2"
            )
        given = {
            "k": self.neighbours,
            "kq": self.query_neighbours,
        }
        large = [name for name, number in given.items() if number > images]
        if large:
            raise InputError(
                f"{' and '.join(f'{name}={given[name]}' for name in large)}, and the "
                f"index has {images} images; k counts an image itself. Give the "
                f"config options {' and '.join(large)} of {images} at the most; "
                "far fewer make a better graph"
            )
