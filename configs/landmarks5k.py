"""Landmarks5k, or any labelled photos: one query a label, as DeepSim measures it.

Command:  jaxsim evaluate configs/landmarks5k.py --data DIR
          with --model RUN/descriptor --similarity RUN of configs/deepsim.py it measures
          a learned similarity, too
Data:     DIR/LABEL/*.jpg, or a .csv manifest with the columns path and label
Hardware: not measured here, because the photos are not shipped
Time:     not measured
Expect:   not measured
Note:     the published list of queries is not known, so the first image of each label
          asks; as of Holidays, it is ignored in its own ranking, and average precision
          is that of the trapezoid rule
"""

import fiddle as fdl

from jaxsim.data.datasets import labelled
from jaxsim.evaluation.protocols.holidays import Holidays
from jaxsim.experiment.descriptors import (
    BackboneName,
    PoolingName,
    descriptor_config,
)
from jaxsim.experiment.experiments import RetrievalExperiment
from jaxsim.experiment.model_spec import PACKAGED


def get_config(
    backbone: BackboneName = "lite0",
    pooling: PoolingName = "rmac",
    weights: str = PACKAGED,
    size_px: int = 1024,
    label_column: str | None = None,
) -> fdl.Config[RetrievalExperiment]:
    """Returns the experiment; the descriptor is not whitened."""
    return fdl.Config(
        RetrievalExperiment,
        model=descriptor_config(
            backbone=backbone, pooling=pooling, weights=weights, size_px=size_px
        ),
        data=fdl.Partial(labelled.one_query_a_label, label_column=label_column),
        protocol=fdl.Config(Holidays),
    )
