"""Scenes: a pre-trained network fine-tuned by classifying, its pooled vector compared.

Command:  jaxsim train configs/scenes_resnet50.py:weights=PATH.pth --data DIR --out RUN
          with backbone=lite0 where there are no weights of a ResNet at hand
          jaxsim evaluate configs/scenes_resnet50.py:… --data DIR  (before training)
Data:     DIR/{train,test}/LABEL/*.jpg, where test images query training images; or a
          .csv manifest with the columns path, split and label (or label_column=NAME)
Hardware: 2 cores of an AMD EPYC (AVX-512), float32
Time:     17 minutes of processor time for 5 epochs of 2,640 photos with lite0
Expect:   with backbone=lite0,label_column=fine_class on Grocery Store, test split
          against train split: test/map .361 before, .646 after, test/precision@1
          .571, .777; the same by faiss. The report's ResNet-50 has MAP .77 on scenes
Source:   the first of three systems of a student report of the master M5 in Barcelona:
          ResNet-50, 5 epochs of SGD, the 2048 channels before the classifier. Rate,
          batch and image size are not told there.
"""

import fiddle as fdl

from jaxsim.data.augment import no_augmentation
from jaxsim.data.datasets import labelled
from jaxsim.data.samplers import Uniform
from jaxsim.evaluation.protocols.same_label import SameLabel
from jaxsim.experiment.descriptors import BackboneName, descriptor_config
from jaxsim.experiment.epochs import Epochs
from jaxsim.experiment.model_spec import PACKAGED
from jaxsim.experiment.training_experiment import RetrievalMeasure, TrainingExperiment
from jaxsim.training.loop import Every
from jaxsim.training.objectives.classification import ClassificationObjective
from jaxsim.training.optim import sgd


def get_config(
    epochs: float = 5.0,
    backbone: BackboneName = "resnet50",
    weights: str = PACKAGED,
    size_px: int = 224,
    batch_size: int = 32,
    rate: float = 0.01,
    label_column: str | None = None,
) -> fdl.Config[TrainingExperiment]:
    """Returns the experiment; statistics of batch norm stay those of ImageNet."""
    model = descriptor_config(
        backbone=backbone, pooling="spoc", size_px=size_px, weights=weights
    )
    model.preprocessing.resize = "square"
    return fdl.Config(
        TrainingExperiment,
        model=model,
        objective=fdl.Partial(ClassificationObjective, head="softmax"),
        data=fdl.Partial(labelled.training_images, label_column=label_column),
        sampler=fdl.Partial(Uniform, batch_size=batch_size),
        transform=fdl.Config(no_augmentation, preprocessing=model.preprocessing),
        optimiser=fdl.Partial(sgd),
        learning_rate=rate,
        steps=Epochs(epochs),
        measure=fdl.Config(
            RetrievalMeasure,
            data=fdl.Partial(labelled.held_out, label_column=label_column),
            protocol=fdl.Config(SameLabel),
        ),
        every=fdl.Config(Every, checkpoint=Epochs(1)),
    )
