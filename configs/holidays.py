"""INRIA Holidays: the first photo of each group finds the others.

Command:  jaxsim evaluate configs/holidays.py --data DIR
Data:     DIR/*.jpg or DIR/jpg/*.jpg, named by number
Hardware: not measured here, because the photos are not shipped
Time:     not measured
Expect:   not measured
"""

from typing import Literal

import fiddle as fdl

from jaxsim.data.datasets import holidays
from jaxsim.evaluation.protocols.holidays import Holidays
from jaxsim.experiment.descriptors import (
    BackboneName,
    PoolingName,
    descriptor_config,
)
from jaxsim.experiment.experiments import RetrievalExperiment
from jaxsim.experiment.model_spec import PACKAGED


def get_config(
    upright: bool = False,
    backbone: BackboneName = "lite0",
    pooling: PoolingName = "rmac",
    weights: str = PACKAGED,
    whiten: Literal["none", "cirtorch", "dirtorch"] = "none",
    dim: int = 2048,
    size_px: int = 1024,
    scales: tuple[float, ...] = (1.0,),
) -> fdl.Config[RetrievalExperiment]:
    """Returns the experiment; `upright` says that the photos were turned by hand.

    `whiten` takes the whitening of `dim` numbers that the file of `weights` holds.
    """
    return fdl.Config(
        RetrievalExperiment,
        model=descriptor_config(
            backbone=backbone,
            pooling=pooling,
            weights=weights,
            whiten=whiten,
            dim=dim,
            size_px=size_px,
            scales=scales,
        ),
        data=fdl.Partial(holidays.load, upright=upright),
        protocol=fdl.Config(Holidays),
    )
