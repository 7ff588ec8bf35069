"""Grocery Store: the recipe that generalises best to classes it never saw.

Command:  jaxsim train configs/grocery_best.py --data DIR --out RUN
Data:     DIR/images.csv and the photos it lists
"""

from typing import Literal

import fiddle as fdl

from jaxsim.data.augment import Augmentation
from jaxsim.data.datasets import grocery
from jaxsim.data.samplers import PK
from jaxsim.evaluation.protocols.same_label import SameLabel
from jaxsim.experiment.descriptors import PoolingName, descriptor_config
from jaxsim.experiment.training_experiment import RetrievalMeasure, TrainingExperiment
from jaxsim.training.loop import Every
from jaxsim.training.objectives.criteria import (
    MultiSimilarityCriterion,
    TripletCriterion,
)
from jaxsim.training.objectives.descriptor import DescriptorObjective
from jaxsim.training.optim import adam
from jaxsim.training.schedules import cosine, warmup


def get_config(
    steps: int = 300,
    pooling: PoolingName = "gem",
    size_px: int = 192,
    loss: Literal["ms", "triplet"] = "ms",
    num_labels: int = 16,
    rate: float = 2e-4,
    margin: float = 0.2,
    average_decay: float = 0.99,
    evaluate: int = 100,
    area: float = 0.4,
) -> fdl.Config[TrainingExperiment]:
    """Returns the experiment: trained on classes below 41, measured on the others."""
    model = descriptor_config(pooling=pooling, size_px=size_px)
    model.preprocessing.resize = "square"
    criterion = (
        fdl.Config(MultiSimilarityCriterion)
        if loss == "ms"
        else fdl.Config(TripletCriterion, margin=margin, average="violating")
    )
    return fdl.Config(
        TrainingExperiment,
        model=model,
        objective=fdl.Partial(DescriptorObjective, criterion=criterion),
        data=fdl.Partial(grocery.train, split=None),
        sampler=fdl.Partial(PK, num_labels=num_labels, per_label=4),
        transform=fdl.Config(
            Augmentation, preprocessing=model.preprocessing, area=(area, 1.0), jpeg=0.0
        ),
        optimiser=fdl.Partial(adam),
        learning_rate=fdl.Config(
            warmup, fdl.Config(cosine, rate, steps=steps), steps=20
        ),
        steps=steps,
        average_decay=average_decay,
        measure=fdl.Config(
            RetrievalMeasure,
            data=fdl.Partial(grocery.unseen),
            protocol=fdl.Config(SameLabel),
            main="unseen/map@r",
        ),
        every=fdl.Config(Every, evaluate=evaluate, checkpoint=50),
    )
