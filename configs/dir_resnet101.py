"""End-to-end R-MAC by mined triplets: ResNet-101 at 800 px, the setting of the paper.

Command:  jaxsim train configs/dir_resnet101.py:weights=PATH.pth --data DIR --out RUN
Data:     DIR/{train,test}/LANDMARK/*.jpg, where test images query training images; or a
          .csv manifest with the columns path, split and label (or label_column=NAME)
Note:     weights are those of ImageNet, or parameters.npz of a run that classified the
          same images before, as in the paper:
          jaxsim train configs/scenes_resnet50.py:backbone=resnet101,… --out FIRST
          The paper trained for about 8,000 updates, days on one GPU; its Landmarks are
          42,410 cleaned images of 586 places
Hardware: not run here; one GPU in the paper
Time:     days in the paper
Expect:   in the paper, mAP of Oxford5k .841, of Paris6k .936 at one scale, by
          configs/oxford_paris.py and --model RUN/model
Source:   Gordo et al. 2017, sections 3 and 5: 5,000 images in the pool, the 25 hardest
          triplets of each, 64 triplets an update, a new pool every 64; margin 0.1; SGD
          with momentum 0.9, weight decay 5e-5, rate 1e-3, later 1e-4; regions of two
          scales; 2,048 dimensions.
"""

import fiddle as fdl

from jaxsim.data.datasets import labelled
from jaxsim.experiment.descriptors import BackboneName
from jaxsim.experiment.dir import training_config
from jaxsim.experiment.model_spec import PACKAGED
from jaxsim.experiment.training_experiment import TrainingExperiment
from jaxsim.training.optim import sgd
from jaxsim.training.schedules import step_decay


def get_config(
    steps: int = 8192,
    backbone: BackboneName = "resnet101",
    weights: str = PACKAGED,
    size_px: int = 800,
    dim: int = 2048,
    triplets: int = 64,
    micro_batch: int = 8,
    proposals: int = 0,
    label_column: str | None = None,
) -> fdl.Config[TrainingExperiment]:
    """Returns the experiment; memory is that of `micro_batch` images."""
    config = training_config(
        backbone=backbone,
        weights=weights,
        size_px=size_px,
        dim=dim,
        triplets=triplets,
        pool_size=5000,
        hardest=25,
        refresh=64,
        micro_batch=micro_batch,
        rate=1e-3,
        steps=steps,
        proposals=proposals,
    )
    config.optimiser = fdl.Partial(sgd, nesterov=False, weight_decay=5e-5)
    config.learning_rate = fdl.Config(step_decay, 1e-3, every=steps // 2)
    config.data = fdl.Partial(labelled.training_images, label_column=label_column)
    config.measure.data = fdl.Partial(labelled.held_out, label_column=label_column)
    config.every.evaluate = 512
    config.every.checkpoint = 64
    return config
