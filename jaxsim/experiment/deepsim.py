"""DeepSim: what its config is made of."""

from collections.abc import Callable, Sequence
from pathlib import Path

import fiddle as fdl

from jaxsim.data.records import Record, RetrievalSet
from jaxsim.evaluation.protocols.same_label import SameLabel
from jaxsim.experiment.descriptors import descriptor_config
from jaxsim.experiment.similarity_experiment import (
    STAGES,
    SimilarityExperiment,
    SimilarityStages,
)
from jaxsim.experiment.training_experiment import RetrievalMeasure
from jaxsim.nn.similarity import SimilarityNetwork
from jaxsim.training.hard_pairs import HardPairMining
from jaxsim.training.loop import Every
from jaxsim.training.optim import adamw, kernels
from jaxsim.training.schedules import cosine


def stages_config(
    *,
    data: fdl.Partial[Callable[[Path], Sequence[Record]]],
    measured: fdl.Partial[Callable[[Path], list[RetrievalSet]]],
    widths: tuple[int, ...],
    symmetric: bool,
    dim: int,
    size_px: int,
    pairs: int,
    steps: tuple[int, int, int],
    deltas: tuple[float, float],
    margin: float,
    rate: float,
    weight_decay: float,
    descriptors: str | None,
) -> fdl.Config[SimilarityStages]:
    """Returns the three stages, on R-MAC with whitened regions.

    Args:
      data: the images to train on.
      measured: the sets to measure.
      widths: of the hidden layers; (4096, 4096) in the paper.
      symmetric: score the mean of both orders of a pair.
      dim: of the descriptors.
      size_px: longest side of the images.
      pairs: of a batch.
      steps: of each stage.
      deltas: Δ of the second and the third; the first learns the cosine.
      margin: of the difficult pairs, see `HardPairMining`; 0 in the paper.
      rate: first learning rate of each stage; it falls to 0.
      weight_decay: of the kernels, from the second stage on.
      descriptors: a file that has the descriptors.

    Source: Garcia and Vogiatzis 2019, section 4, but for Adam in place of SGD at a
    constant rate, which needs far more steps.
    """

    def stage(number: int) -> fdl.Config[SimilarityExperiment]:
        return fdl.Config(
            SimilarityExperiment,
            network=fdl.Config(
                SimilarityNetwork, dim=dim, widths=widths, symmetric=symmetric
            ),
            descriptor=descriptor_config(
                pooling="rmac", whiten="regions", dim=dim, size_px=size_px
            ),
            data=data,
            delta=(None, *deltas)[number],
            pairs=pairs,
            optimiser=fdl.Partial(adamw, weight_decay=weight_decay, decay_mask=kernels),
            learning_rate=fdl.Config(cosine, rate, steps=steps[number]),
            steps=steps[number],
            mining=fdl.Partial(HardPairMining, margin=margin) if number == 2 else None,
            descriptors=descriptors,
            measure=fdl.Config(
                RetrievalMeasure, data=measured, protocol=fdl.Config(SameLabel)
            ),
            every=fdl.Config(Every, checkpoint=500),
        )

    return fdl.Config(
        SimilarityStages, **{name: stage(i) for i, name in enumerate(STAGES)}
    )
