"""DeepSim, end to end: the similarity and the R-MAC descriptor trained together.

Command:  jaxsim train configs/deepsim_end_to_end.py:start=RUN --data DIR --out RUN2
Data:     as of configs/deepsim.py, whose finished RUN this goes on from; without start
          the similarity begins from nothing
Hardware: 2 cores of an AMD EPYC (AVX-512), float32
Time:     not measured
Expect:   not measured; the numbers of the run are those of the descriptors' cosine. Use
          RUN2/model to describe and RUN2 as --similarity
"""

from typing import Literal

import fiddle as fdl

from jaxsim.data.augment import no_augmentation
from jaxsim.data.datasets import grocery, labelled
from jaxsim.data.samplers import RandomPairs
from jaxsim.evaluation.protocols.same_label import SameLabel
from jaxsim.experiment.descriptors import descriptor_config
from jaxsim.experiment.training_experiment import RetrievalMeasure, TrainingExperiment
from jaxsim.nn.similarity import SimilarityNetwork
from jaxsim.training.loop import Every
from jaxsim.training.objectives.similarity import ImagePairObjective
from jaxsim.training.optim import Group, adam
from jaxsim.training.schedules import cosine


def get_config(
    collection: Literal["labelled", "grocery"] = "labelled",
    start: str | None = None,
    widths: tuple[int, ...] = (512, 512),
    symmetric: bool = True,
    dim: int = 512,
    size_px: int = 480,
    pairs: int = 8,
    steps: int = 300,
    delta: float = 0.8,
    rate: float = 1e-4,
    descriptor_rate: float = 0.01,
    weights: str = "packaged",
    most_measured: int = 600,
) -> fdl.Config[TrainingExperiment]:
    """Returns the experiment; `descriptor_rate` multiplies the descriptor's rate."""
    model = descriptor_config(
        pooling="rmac", whiten="regions", dim=dim, size_px=size_px, weights=weights
    )
    if collection == "grocery":
        data = fdl.Partial(grocery.train)
        measured = fdl.Partial(grocery.seen_and_unseen, most=most_measured)
    else:
        data = fdl.Partial(labelled.training_images)
        measured = fdl.Partial(labelled.held_out)
    return fdl.Config(
        TrainingExperiment,
        model=model,
        objective=fdl.Partial(
            ImagePairObjective,
            similarity=fdl.Config(
                SimilarityNetwork, dim=dim, widths=widths, symmetric=symmetric
            ),
            delta=delta,
        ),
        data=data,
        sampler=fdl.Partial(RandomPairs, pairs=pairs),
        transform=fdl.Config(no_augmentation, preprocessing=model.preprocessing),
        optimiser=fdl.Partial(adam),
        learning_rate=fdl.Config(cosine, rate, steps=steps),
        groups=(fdl.Config(Group, "network/*", descriptor_rate),),
        steps=steps,
        similarity=start,
        measure=fdl.Config(
            RetrievalMeasure, data=measured, protocol=fdl.Config(SameLabel)
        ),
        every=fdl.Config(Every),
    )
