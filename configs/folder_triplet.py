"""Your own labelled photos: a descriptor fine-tuned by batch-hard triplets.

Command:  jaxsim train configs/folder_triplet.py --data DIR --out RUN
          jaxsim index PHOTOS --out INDEX --model RUN/model
Data:     DIR/LABEL/*.jpg, or DIR/{train,test}/LABEL/*.jpg; a .csv manifest with the
          columns path, label (or label_column=NAME) and perhaps split; or
          tfds:NAME:SPLIT. Labels of one image are left out
Hardware: any
Time:     not measured
Expect:   nothing was measured, as the photos are yours. It measures the test part if
          there is one, and else nothing
"""

import fiddle as fdl

from jaxsim.data.augment import Augmentation
from jaxsim.data.datasets import labelled
from jaxsim.data.samplers import PK
from jaxsim.evaluation.protocols.same_label import SameLabel
from jaxsim.experiment.descriptors import BackboneName, PoolingName, descriptor_config
from jaxsim.experiment.model_spec import PACKAGED
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
    weights: str = PACKAGED,
    size_px: int = 224,
    num_labels: int = 8,
    per_label: int = 4,
    rate: float = 1e-4,
    margin: float = 0.2,
    label_column: str | None = None,
) -> fdl.Config[TrainingExperiment]:
    """Returns the experiment; a batch has `per_label` images of `num_labels` labels."""
    model = descriptor_config(
        backbone=backbone, pooling=pooling, weights=weights, size_px=size_px
    )
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
        data=fdl.Partial(labelled.training_images, label_column=label_column),
        sampler=fdl.Partial(PK, num_labels=num_labels, per_label=per_label),
        transform=fdl.Config(
            Augmentation, preprocessing=model.preprocessing, area=(0.6, 1.0), jpeg=0.0
        ),
        optimiser=fdl.Partial(adam),
        learning_rate=fdl.Config(cosine, rate, steps=steps),
        steps=steps,
        measure=fdl.Config(
            RetrievalMeasure,
            data=fdl.Partial(labelled.held_out, label_column=label_column),
            protocol=fdl.Config(SameLabel),
        ),
        every=fdl.Config(Every, evaluate=100, checkpoint=100),
    )
