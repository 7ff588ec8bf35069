"""Grocery Store photos: images of a class find each other.

Command:  jaxsim evaluate configs/grocery.py:pooling=spoc --data DIR
Data:     DIR/images.csv and the photos it lists
Hardware: 2 cores of an AMD EPYC (AVX-512), float32
Time:     93 s of processor time, programs compiled before
Expect:   test/map .469, test/recall@1 .959; unseen/map .479, unseen/recall@1 .962. With
          pooling=gem, in the same order: .444 .953 .459 .958
Note:     whitening is fitted on the train split, part of which is ranked in the set
          "unseen"; quote that set without whitening
"""

from typing import Literal

import fiddle as fdl

from jaxsim.data.datasets import grocery
from jaxsim.evaluation.protocols.same_label import SameLabel
from jaxsim.experiment.descriptors import (
    BackboneName,
    PoolingName,
    descriptor_config,
)
from jaxsim.experiment.experiments import RetrievalExperiment


def get_config(
    backbone: BackboneName = "lite0",
    pooling: PoolingName = "spoc",
    whiten: Literal["none", "regions", "pca", "learned"] = "none",
    dim: int = 512,
    size_px: int = 224,
) -> fdl.Config[RetrievalExperiment]:
    """Returns the experiment; whitening is fitted on the train split, all classes."""
    return fdl.Config(
        RetrievalExperiment,
        model=descriptor_config(
            backbone=backbone,
            pooling=pooling,
            whiten=whiten,
            dim=dim,
            size_px=size_px,
        ),
        data=fdl.Partial(grocery.load),
        protocol=fdl.Config(SameLabel),
        fit_data=fdl.Partial(grocery.train, max_class=81),
    )
