"""INSTRE: objects photographed in many places.

Command:  jaxsim evaluate configs/instre.py:truth=gnd_instre.mat --data DIR
Data:     the folders INSTRE-S1, INSTRE-S2 and INSTRE-M below DIR
Hardware: not measured here, because the photos are not shipped
Time:     not measured
Expect:   not measured
"""

import fiddle as fdl

from jaxsim.data.datasets import instre
from jaxsim.data.ground_truth import read_ground_truth
from jaxsim.evaluation.protocols.instre import Instre
from jaxsim.experiment.descriptors import (
    BackboneName,
    PoolingName,
    descriptor_config,
)
from jaxsim.experiment.experiments import RetrievalExperiment
from jaxsim.experiment.model_spec import PACKAGED


def get_config(
    truth: str,
    backbone: BackboneName = "lite0",
    pooling: PoolingName = "rmac",
    weights: str = PACKAGED,
    size_px: int = 1024,
) -> fdl.Config[RetrievalExperiment]:
    """Returns the experiment; queries are cropped to their boxes."""
    return fdl.Config(
        RetrievalExperiment,
        model=descriptor_config(
            backbone=backbone, pooling=pooling, weights=weights, size_px=size_px
        ),
        data=fdl.Partial(
            instre.load, ground_truth=fdl.Config(read_ground_truth, truth)
        ),
        protocol=fdl.Config(Instre),
    )
