"""Grocery Store: metric learning by batch-hard triplets, on classes never seen.

Command:  jaxsim train configs/grocery_triplet.py --data DIR --out RUN
Data:     DIR/images.csv and the photos it lists
Note:     trained on the classes below 41 of all splits; images of the others query each
          other. The setting of PyTorch Metric Learning in
          benchmarks/bench_metric_learning.py, but for a rate that falls to 0
Hardware: 2 cores of an AMD EPYC (AVX-512), float32
Time:     252 s of training, by benchmarks/bench_metric_learning.py
Expect:   by the same, unseen/map@r .313 before, .561 after; unseen/recall@1 .958, .964
"""

import fiddle as fdl

from jaxsim.data.augment import no_augmentation
from jaxsim.data.datasets import grocery
from jaxsim.data.samplers import PK
from jaxsim.evaluation.protocols.same_label import SameLabel
from jaxsim.experiment.descriptors import BackboneName, PoolingName, descriptor_config
from jaxsim.experiment.training_experiment import RetrievalMeasure, TrainingExperiment
from jaxsim.training.loop import Every
from jaxsim.training.objectives.criteria import TripletCriterion
from jaxsim.training.objectives.descriptor import DescriptorObjective
from jaxsim.training.optim import adam
from jaxsim.training.schedules import cosine


def get_config(
    steps: int = 300,
    backbone: BackboneName = "lite0",
    pooling: PoolingName = "gem",
    size_px: int = 192,
    rate: float = 1e-4,
    margin: float = 0.2,
) -> fdl.Config[TrainingExperiment]:
    """Returns the experiment: squashed images, as they are; frozen batch norm."""
    model = descriptor_config(backbone=backbone, pooling=pooling, size_px=size_px)
    model.preprocessing.resize = "square"
    return fdl.Config(
        TrainingExperiment,
        model=model,
        objective=fdl.Partial(
            DescriptorObjective,
            criterion=fdl.Config(
                TripletCriterion,
                miner="batch_hard",
                margin=margin,
                average="violating",
            ),
        ),
        data=fdl.Partial(grocery.train, split=None),
        sampler=fdl.Partial(PK, num_labels=8, per_label=4),
        transform=fdl.Config(no_augmentation, preprocessing=model.preprocessing),
        optimiser=fdl.Partial(adam),
        learning_rate=fdl.Config(cosine, rate, steps=steps),
        steps=steps,
        measure=fdl.Config(
            RetrievalMeasure,
            data=fdl.Partial(grocery.unseen),
            protocol=fdl.Config(SameLabel),
            main="unseen/map@r",
        ),
        every=fdl.Config(Every, evaluate=100, checkpoint=100),
    )
