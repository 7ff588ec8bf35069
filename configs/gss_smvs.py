"""GSS where each query has one right image, among many others.

Command:  jaxsim train configs/gss_smvs.py:distractors=PHOTOS --data DIR --out RUN
Data:     DIR/{landmarks,book_covers}/{query,reference}/X.jpg, and as PHOTOS any folder,
          manifest or split of other photos; the index is all references and PHOTOS
Hardware: 2 cores of an AMD EPYC (AVX-512), float32
Time:     not measured
Expect:   by benchmarks/bench_gss.py --smvs, with all grocery photos as PHOTOS and
          size_px=320,epochs=40: landmarks/map .604 as given, .384
          untrained, .459 after the last epoch, which is kept;
          book_covers/map .043, .010 and .011, as most phone photos of covers are nearer
          to packages. Neighbours do not help where one image is right
Note:     whitening is fitted on the references, as in configs/smvs.py
"""

import fiddle as fdl

from jaxsim.data.datasets import smvs
from jaxsim.evaluation.protocols.query_reference import QueryReference
from jaxsim.experiment.graph_experiment import GraphExperiment, GraphKeep
from jaxsim.experiment.gss import index_config


def get_config(
    distractors: str,
    descriptors: str | None = None,
    dim: int = 512,
    size_px: int = 480,
    k: int = 10,
    kq: int = 10,
    graph: str = "nearest",
    queries: str = "nearest",
    epochs: int = 100,
    keep: GraphKeep = "slowest",
    seed: int = 0,
) -> fdl.Config[GraphExperiment]:
    """Returns the experiment; k neighbours of an image of the index, kq of a query."""
    return index_config(
        data=fdl.Partial(smvs.references_among, distractors=distractors),
        fit_data=fdl.Partial(smvs.references),
        measured=fdl.Partial(smvs.among, distractors=distractors),
        protocol=QueryReference,
        dim=dim,
        size_px=size_px,
        descriptors=descriptors,
        layers=2,
        gamma=0.3,
        neighbours=k,
        query_neighbours=kq,
        graph=graph,
        queries=queries,
        percent=98.0,
        rate=1e-4,
        epochs=epochs,
        keep=keep,
        seed=seed,
    )
