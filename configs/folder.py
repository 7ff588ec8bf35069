"""Any labelled photos: images of a label find each other.

Command:  jaxsim evaluate configs/folder.py --data DIR
Data:     DIR/LABEL/*.jpg; labels of one image are only ever wrong answers
"""

import fiddle as fdl

from jaxsim.data.datasets import labelled
from jaxsim.evaluation.protocols.same_label import SameLabel
from jaxsim.experiment.descriptors import (
    BackboneName,
    PoolingName,
    descriptor_config,
)
from jaxsim.experiment.experiments import RetrievalExperiment


def get_config(
    backbone: BackboneName = "lite0",
    pooling: PoolingName = "rmac",
    size_px: int = 480,
) -> fdl.Config[RetrievalExperiment]:
    """Returns the experiment, without whitening: the folder has no training part."""
    return fdl.Config(
        RetrievalExperiment,
        model=descriptor_config(backbone=backbone, pooling=pooling, size_px=size_px),
        data=fdl.Partial(labelled.folder),
        protocol=fdl.Config(SameLabel),
    )
