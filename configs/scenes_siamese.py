"""Scenes: a small siamese network from nothing, by the contrastive loss of pairs.

Command:  jaxsim train configs/scenes_siamese.py --data DIR --out RUN
          jaxsim evaluate configs/scenes_siamese.py --data DIR --model RUN/model
Data:     DIR/{train,test}/LABEL/*.jpg, where test images query training images; or a
          .csv manifest with the columns path, split and label (or label_column=NAME)
Note:     10 numbers an image, compared by Euclidean distance, so that no index takes
          them
Hardware: 2 cores of an AMD EPYC (AVX-512), float32
Time:     17 minutes of processor time for 2,640 photos
Expect:   with label_column=fine_class on Grocery Store, 81 classes, test split against
          train split: test/map .032 before, .173 after, test/precision@1 .190; the
          same by faiss. The report has MAP .17 on 8 scenes
Source:   the second of three systems of a student report of the master M5 in Barcelona:
          one random pair an anchor, 128 pairs a batch, margin 1, Adam 1e-3 times 0.1
          every 8 of 20 epochs. Its image size is not told; its ReLU on the descriptor
          (final_activation=True) can collapse it.
"""

import fiddle as fdl

from jaxsim.data.augment import no_augmentation
from jaxsim.data.datasets import labelled
from jaxsim.data.samplers import RandomPairs
from jaxsim.evaluation.protocols.same_label import SameLabel
from jaxsim.experiment.descriptors import small_network_config
from jaxsim.experiment.epochs import Epochs
from jaxsim.experiment.training_experiment import RetrievalMeasure, TrainingExperiment
from jaxsim.training.loop import Every
from jaxsim.training.objectives.criteria import ContrastiveCriterion
from jaxsim.training.objectives.descriptor import DescriptorObjective
from jaxsim.training.optim import adam
from jaxsim.training.schedules import step_decay


def get_config(
    epochs: float = 20.0,
    dim: int = 10,
    size_px: int = 64,
    pairs: int = 128,
    final_activation: bool = False,
    label_column: str | None = None,
) -> fdl.Config[TrainingExperiment]:
    """Returns the experiment; an epoch has as many pairs as there are images."""
    model = small_network_config(
        dim=dim, size_px=size_px, final_activation=final_activation
    )
    return fdl.Config(
        TrainingExperiment,
        model=model,
        objective=fdl.Partial(
            DescriptorObjective,
            criterion=fdl.Config(ContrastiveCriterion, pairs="rows", margin=1.0),
        ),
        data=fdl.Partial(labelled.training_images, label_column=label_column),
        sampler=fdl.Partial(RandomPairs, pairs=pairs),
        transform=fdl.Config(no_augmentation, preprocessing=model.preprocessing),
        optimiser=fdl.Partial(adam),
        learning_rate=fdl.Config(step_decay, 1e-3, every=Epochs(0.4 * epochs)),
        steps=Epochs(epochs),
        measure=fdl.Config(
            RetrievalMeasure,
            data=fdl.Partial(labelled.held_out, label_column=label_column),
            protocol=fdl.Config(SameLabel),
        ),
        every=fdl.Config(Every, checkpoint=Epochs(1)),
    )
