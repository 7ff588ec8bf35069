"""Grocery Store: the recipe that generalises best to classes it never saw.

Command:  jaxsim train configs/grocery_best.py --data DIR --out RUN
Data:     DIR/images.csv and the photos it lists
Note:     trained on the classes below 41 of all splits; images of the others query each
          other, as in configs/grocery_triplet.py. These numbers chose the recipe, too
Hardware: 2 cores of an AMD EPYC (AVX-512), float32
Time:     601 s of training, by benchmarks/bench_metric_learning.py
Expect:   unseen/map@r .479 before, .626 after; unseen/recall@1 .970 and .983
"""

import fiddle as fdl

from jaxsim.data.augment import Augmentation
from jaxsim.data.datasets import grocery
from jaxsim.data.samplers import PK
from jaxsim.evaluation.protocols.same_label import SameLabel
from jaxsim.experiment.descriptors import descriptor_config
from jaxsim.experiment.training_experiment import RetrievalMeasure, TrainingExperiment
from jaxsim.training.loop import Every
from jaxsim.training.objectives.criteria import MultiSimilarityCriterion
from jaxsim.training.objectives.descriptor import DescriptorObjective
from jaxsim.training.optim import adam
from jaxsim.training.schedules import cosine, warmup


def get_config(
    steps: int = 240,
    size_px: int = 224,
    scales: tuple[float, ...] = (1.0, 1.4, 1.8, 2.2),
    rate: float = 2e-4,
) -> fdl.Config[TrainingExperiment]:
    """Returns the experiment: whitened R-MAC, trained at one scale, used at several."""
    model = descriptor_config(
        pooling="rmac", whiten="regions", size_px=size_px, scales=scales
    )
    return fdl.Config(
        TrainingExperiment,
        model=model,
        objective=fdl.Partial(
            DescriptorObjective, criterion=fdl.Config(MultiSimilarityCriterion)
        ),
        data=fdl.Partial(grocery.train, split=None),
        sampler=fdl.Partial(PK, num_labels=16, per_label=4),
        transform=fdl.Config(
            Augmentation, preprocessing=model.preprocessing, area=(0.5, 1.0), jpeg=0.0
        ),
        optimiser=fdl.Partial(adam),
        learning_rate=fdl.Config(
            warmup, fdl.Config(cosine, rate, steps=steps), steps=20
        ),
        steps=steps,
        average_decay=0.98,
        measure=fdl.Config(
            RetrievalMeasure,
            data=fdl.Partial(grocery.unseen),
            protocol=fdl.Config(SameLabel),
            main="unseen/map@r",
        ),
        every=fdl.Config(Every, checkpoint=60),
    )
