"""End-to-end R-MAC by classification, before the triplets: EfficientNet-Lite0, grocery.

Command:  jaxsim train configs/dir_lite0_classes.py --data DIR --out RUN
          jaxsim train configs/dir_lite0.py:weights=RUN/model … goes on by triplets
Data:     DIR/images.csv and the photos it lists
Note:     trained on the classes below 41 of all splits, as configs/dir_lite0.py
Hardware: 2 cores of an AMD EPYC (AVX-512), float32
Time:     25 minutes of processor time for training and measuring
Expect:   unseen/map@r .392 before (.377 not whitened), .449 at step 60, .510 at step
          120, .537 at the end. At a rate of 3e-4 for 480 steps it is no better at step
          240 (.529)
Source:   Gordo et al. 2017: the network learns to classify before it learns to rank
"""

import fiddle as fdl

from jaxsim.data.datasets import grocery
from jaxsim.experiment.descriptors import BackboneName
from jaxsim.experiment.dir import classification_config, model_config
from jaxsim.experiment.model_spec import PACKAGED
from jaxsim.experiment.training_experiment import TrainingExperiment


def get_config(
    steps: int = 240,
    backbone: BackboneName = "lite0",
    weights: str = PACKAGED,
    size_px: int = 224,
    dim: int = 512,
    batch_size: int = 64,
    rate: float = 2e-4,
) -> fdl.Config[TrainingExperiment]:
    """Returns the experiment."""
    model = model_config(backbone=backbone, weights=weights, size_px=size_px, dim=dim)
    config = classification_config(
        model=model, batch_size=batch_size, rate=rate, steps=steps
    )
    config.average_decay = 0.98
    config.data = fdl.Partial(grocery.train, split=None)
    config.measure.data = fdl.Partial(grocery.unseen)
    config.measure.main = "unseen/map@r"
    config.every.evaluate = 60
    config.every.checkpoint = 60
    return config
