"""Stanford Mobile Visual Search: phone photos against clean pictures.

Command:  jaxsim evaluate configs/smvs.py:pooling=rmac,whiten=regions --data DIR
Data:     DIR/{landmarks,book_covers}/{query,reference}/X.jpg
Hardware: 2 cores of an AMD EPYC (AVX-512), float32
Time:     73 s of processor time, 47 s without whitening; programs compiled before
Source:   of the scales: Gordo et al. 2017 describe at 550, 800 and 1050 px
Expect:   landmarks/map .742, landmarks/recall@1 .653; book_covers/map .677,
          book_covers/recall@1 .614. With whiten=none, in the same order:
          rmac .674 .584 .607 .495; spoc .567 .426 .514 .396;
          gem .516 .376 .506 .416; mac .399 .277 .378 .277.
          With --rerank spatial:50 and the extra opencv, .808 .743 .952 .950.
          With scales=(0.6875,1.0,1.3125), whitened, .817 .752 .743 .673; these and
          --rerank spatial:50, .860 .812 .971 .970
"""

from typing import Literal

import fiddle as fdl

from jaxsim.data.datasets import smvs
from jaxsim.evaluation.protocols.query_reference import QueryReference
from jaxsim.experiment.descriptors import (
    BackboneName,
    PoolingName,
    descriptor_config,
)
from jaxsim.experiment.experiments import RetrievalExperiment


def get_config(
    backbone: BackboneName = "lite0",
    pooling: PoolingName = "rmac",
    whiten: Literal["none", "regions", "pca"] = "none",
    dim: int = 512,
    size_px: int = 480,
    scales: tuple[float, ...] = (1.0,),
) -> fdl.Config[RetrievalExperiment]:
    """Returns the experiment; whitening is fitted on the reference pictures."""
    return fdl.Config(
        RetrievalExperiment,
        model=descriptor_config(
            backbone=backbone,
            pooling=pooling,
            whiten=whiten,
            dim=dim,
            size_px=size_px,
            scales=scales,
        ),
        data=fdl.Partial(smvs.load),
        protocol=fdl.Config(QueryReference),
        fit_data=fdl.Partial(smvs.references),
    )
