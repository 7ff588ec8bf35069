"""R-MAC fine-tuned by triplets on photo_views, measured on unseen photographs.

Command:  jaxsim train configs/quickstart.py --out runs/quickstart
Data:     made from the photographs in scikit-image's wheel; nothing is downloaded
"""

import fiddle as fdl

from jaxsim.data.augment import Augmentation
from jaxsim.data.datasets import photo_views
from jaxsim.data.samplers import PK
from jaxsim.evaluation.protocols.same_label import SameLabel
from jaxsim.experiment.descriptors import descriptor_config
from jaxsim.experiment.training_experiment import RetrievalMeasure, TrainingExperiment
from jaxsim.training.loop import Every
from jaxsim.training.objectives.criteria import TripletCriterion
from jaxsim.training.objectives.descriptor import DescriptorObjective
from jaxsim.training.optim import adam
from jaxsim.training.schedules import cosine


def get_config(steps: int = 60, size_px: int = 224) -> fdl.Config[TrainingExperiment]:
    """Returns the experiment; whitening starts from the training photographs."""
    model = descriptor_config(pooling="rmac", whiten="regions", size_px=size_px)
    return fdl.Config(
        TrainingExperiment,
        model=model,
        objective=fdl.Partial(
            DescriptorObjective,
            criterion=fdl.Config(TripletCriterion, miner="batch_hard", margin=0.2),
        ),
        data=fdl.Partial(photo_views.records, split="train"),
        sampler=fdl.Partial(PK, num_labels=8, per_label=4),
        transform=fdl.Config(
            Augmentation, preprocessing=model.preprocessing, area=(0.6, 1.0), jpeg=0.0
        ),
        optimiser=fdl.Partial(adam),
        learning_rate=fdl.Config(cosine, 1e-4, steps=steps),
        steps=steps,
        measure=fdl.Config(
            RetrievalMeasure,
            data=fdl.Partial(photo_views.load),
            protocol=fdl.Config(SameLabel),
        ),
        every=fdl.Config(Every, evaluate=0, checkpoint=20),
    )
