"""Region proposals for R-MAC, trained by boxes: EfficientNet-Lite0.

Command:  jaxsim train configs/dir_lite0_proposals.py --data BOXES.csv --out RUN
          jaxsim index PHOTOS --out INDEX --model RUN/model
          with weights=OTHER_RUN/model, of a run of configs/dir_lite0.py, it adds
          proposals to that model and leaves all else of it as it is
          jaxsim train configs/dir_lite0.py:proposals=32,weights=RUN/model … goes on
          with triplets whose regions are the proposed ones
Data:     a .csv manifest with the columns path, label (or label_column=NAME), y0, x0,
          y1, x1 in pixels, and perhaps split, such as `jaxsim data clean` writes;
          images without a box are left out
Note:     the boxes are only needed in training. Images of the test part, if there is
          one, are not cropped to their boxes when they are measured. "overlap" in
          metrics.jsonl is that of the best box with the true one. Boxes of Grocery
          Store are those of 961 photos of the classes below 41 that share points:
          awk -F, 'NR==1 || $3<41 {print $2","$3}' images.csv > below41.csv
          jaxsim data clean below41.csv --label-column fine_class --out boxes.csv
          jaxsim evaluate configs/dir_lite0.py:proposals=16,weights=RUN/model …
          measures the model with 16 proposals
Hardware: 2 cores of an AMD EPYC (AVX-512), float32
Time:     2.5 minutes of training
Expect:   with weights= of a run of configs/dir_lite0_classes.py: overlap .22 at the
          first step, about .70 at the last; unseen/map@r .524 with 16 proposals, .517
          with 32, .520 with 64, below the .537 of the grid
Source:   Gordo et al. 2016: proposals of Faster R-CNN in place of R-MAC's grid, trained
          on the features of a network that stays as it is.
"""

import fiddle as fdl

from jaxsim.data.datasets import labelled
from jaxsim.experiment.descriptors import BackboneName
from jaxsim.experiment.dir import model_config, proposals_config
from jaxsim.experiment.model_spec import PACKAGED
from jaxsim.experiment.training_experiment import TrainingExperiment


def get_config(
    steps: int = 300,
    backbone: BackboneName = "lite0",
    weights: str = PACKAGED,
    size_px: int = 224,
    dim: int = 512,
    proposals: int = 32,
    batch_size: int = 32,
    sample: int = 8,
    rate: float = 1e-3,
    label_column: str | None = None,
) -> fdl.Config[TrainingExperiment]:
    """Returns the experiment.

    On small maps one or two anchors of an image are positive: a larger sample would be
    all negatives, and proposals are then learned late.
    """
    model = model_config(
        backbone=backbone,
        weights=weights,
        size_px=size_px,
        dim=dim,
        proposals=proposals,
    )
    config = proposals_config(
        model=model, batch_size=batch_size, sample=sample, rate=rate, steps=steps
    )
    config.data = fdl.Partial(labelled.boxed_training_images, label_column=label_column)
    config.measure.data = fdl.Partial(
        labelled.held_out, label_column=label_column, cropped=False
    )
    config.every.evaluate = 100
    config.every.checkpoint = 100
    return config
