"""R-MAC fine-tuned by triplets on photo_views, measured on unseen photographs.

Command:  jaxsim train configs/quickstart.py --out RUN
Data:     made from the photographs in scikit-image's wheel; nothing is downloaded
Note:     what launch/quickstart.sh trains
Hardware: 2 cores of an AMD EPYC (AVX-512), float32
Time:     3.5 minutes with the installation, by time launch/quickstart.sh
Expect:   photo_views/map .462 before, .531 after; photo_views/recall@1 .672, .710
"""

import fiddle as fdl

from jaxsim.experiment.quickstart import SIZE_PX, STEPS, training_config
from jaxsim.experiment.training_experiment import TrainingExperiment


def get_config(
    steps: int = STEPS, size_px: int = SIZE_PX
) -> fdl.Config[TrainingExperiment]:
    """Returns the experiment; whitening starts from the training photographs."""
    return training_config(steps=steps, size_px=size_px)
