"""DeepSim: a similarity network in three stages, DeepCosine, DeepSim and DeepSimH.

Command:  jaxsim train configs/deepsim.py --data DIR --out RUN
Data:     DIR/{train,test}/LABEL/*.jpg or another layout of configs/folder.py; with
          collection=grocery, DIR/images.csv and the photos it lists; or a .npz or
          .parquet file of `jaxsim embed`, of which every fifth image is held out.
          Of the grocery classes those below max_class=41 are trained on
Hardware: 2 cores of an AMD EPYC (AVX-512), float32
Time:     12 minutes of benchmarks/bench_deepsim.py --part quality --descriptors FILE,
          beside much other work
Expect:   by the same with collection=grocery, seen/map .466 by the cosine, then .357,
          .635 and .652; of classes that training has not seen it loses: unseen/map .670
          by the cosine, then .598, .605 and .573
Note:     layers of 512 instead of the paper's 4096, which two cores would train for
          days (widths=(4096,4096)); the mean of both orders of a pair, where the paper
          has one (symmetric=False); Adam instead of SGD. Symmetry, deltas, margin and
          weight decay were chosen by seen/map of DeepSimH on measured_split=val, where
          the cosine has .752 and these .812; asymmetric .767, deltas=(0.2,0.8) .803
"""

from typing import Literal

import fiddle as fdl

from jaxsim.data.datasets import grocery, labelled
from jaxsim.experiment.deepsim import stages_config
from jaxsim.experiment.similarity_experiment import (
    SimilarityExperiment,
    SimilarityStages,
)


def get_config(
    collection: Literal["labelled", "grocery"] = "labelled",
    stage: Literal["all", "deepcosine", "deepsim", "deepsimh"] = "all",
    start: str | None = None,
    descriptors: str | None = None,
    widths: tuple[int, ...] = (512, 512),
    symmetric: bool = True,
    dim: int = 512,
    size_px: int = 480,
    pairs: int = 128,
    steps: tuple[int, int, int] = (4000, 1500, 2000),
    deltas: tuple[float, float] = (0.4, 0.8),
    margin: float = 0.0,
    rate: float = 1e-3,
    weight_decay: float = 0.0,
    max_class: int = 41,
    measured_split: Literal["val", "test"] = "test",
    most_measured: int = 600,
) -> fdl.Config[SimilarityStages] | fdl.Config[SimilarityExperiment]:
    """Returns all stages, or one, which goes on from the run `start`."""
    if collection == "grocery":
        data = fdl.Partial(grocery.train, max_class=max_class)
        measured = fdl.Partial(
            grocery.seen_and_unseen,
            split=measured_split,
            min_class=max_class,
            most=most_measured,
        )
    else:
        data = fdl.Partial(labelled.training_images)
        measured = fdl.Partial(labelled.held_out)
    config = stages_config(
        data=data,
        measured=measured,
        widths=widths,
        symmetric=symmetric,
        dim=dim,
        size_px=size_px,
        pairs=pairs,
        steps=steps,
        deltas=deltas,
        margin=margin,
        rate=rate,
        weight_decay=weight_decay,
        descriptors=descriptors,
    )
    if stage == "all":
        return config
    part = getattr(config, stage)
    part.start = start
    return part
