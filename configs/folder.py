"""Any labelled photos: images of a label find each other.

Command:  jaxsim evaluate configs/folder.py --data DIR
Data:     DIR/LABEL/*.jpg, or DIR/{train,test}/LABEL/*.jpg, where test images query
          training images; a .csv manifest with the columns path, label and perhaps
          split (or another column, label_column=NAME); or tfds:NAME:SPLIT. Labels of
          one image are only ever wrong answers
Hardware: 2 cores of an AMD EPYC (AVX-512), float32
Time:     118 s of processor time for the 5,125 train and test photos of the Grocery
          Store data set with pooling=spoc,size_px=224; programs compiled before
Expect:   there, where a label is a folder such as Fruit/Apple/Golden-Delicious:
          test/map .356, test/recall@1 .563
Note:     whitening is fitted on the train part of data that has train and test parts,
          and else on the collection itself, the images that are ranked
"""

import fiddle as fdl

from jaxsim.data.datasets import labelled
from jaxsim.evaluation.protocols.same_label import SameLabel
from jaxsim.experiment.descriptors import (
    BackboneName,
    PoolingName,
    WhitenName,
    descriptor_config,
)
from jaxsim.experiment.experiments import RetrievalExperiment


def get_config(
    backbone: BackboneName = "lite0",
    pooling: PoolingName = "rmac",
    whiten: WhitenName = "none",
    dim: int = 512,
    size_px: int = 480,
    label_column: str | None = None,
) -> fdl.Config[RetrievalExperiment]:
    """Returns the experiment; whitening is fitted on train/ or on the collection."""
    return fdl.Config(
        RetrievalExperiment,
        model=descriptor_config(
            backbone=backbone,
            pooling=pooling,
            whiten=whiten,
            dim=dim,
            size_px=size_px,
        ),
        data=fdl.Partial(labelled.load, label_column=label_column),
        protocol=fdl.Config(SameLabel),
        fit_data=fdl.Partial(labelled.training_images, label_column=label_column),
    )
