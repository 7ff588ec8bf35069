"""Oxford5k and Paris6k, as first published or revisited.

Command:  jaxsim evaluate configs/oxford_paris.py:truth=GND.json --data DIR
          with revisited=True,truth=GND.pkl for ROxford5k and RParis6k
Data:     the photos, DIR/*.jpg or DIR/jpg/*.jpg; ground truth as .json, .pkl or .mat
Hardware: not measured here, because the photos are not shipped
Time:     not measured
Expect:   not measured
"""

from typing import Literal

import fiddle as fdl

from jaxsim.data.datasets import oxford_paris
from jaxsim.data.ground_truth import read_ground_truth
from jaxsim.evaluation.protocols.oxford_paris import OxfordParis
from jaxsim.evaluation.protocols.revisited import Revisited
from jaxsim.experiment.descriptors import (
    BackboneName,
    PoolingName,
    descriptor_config,
)
from jaxsim.experiment.experiments import RetrievalExperiment
from jaxsim.experiment.model_spec import PACKAGED


def get_config(
    truth: str,
    revisited: bool = False,
    backbone: BackboneName = "lite0",
    pooling: PoolingName = "rmac",
    weights: str = PACKAGED,
    whiten: Literal["none", "cirtorch", "dirtorch"] = "none",
    dim: int = 2048,
    size_px: int = 1024,
    scales: tuple[float, ...] = (1.0,),
) -> fdl.Config[RetrievalExperiment]:
    """Returns the experiment; queries are cropped to their boxes.

    `whiten` takes the whitening of `dim` numbers that the file of `weights` holds.
    """
    load = oxford_paris.load_revisited if revisited else oxford_paris.load_original
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
        data=fdl.Partial(load, ground_truth=fdl.Config(read_ground_truth, truth)),
        protocol=fdl.Config(Revisited if revisited else OxfordParis),
    )
