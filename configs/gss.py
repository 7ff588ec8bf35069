"""GSS: new descriptors for an index, trained on its own graph without labels.

Command:  jaxsim train configs/gss.py --data DIR --out RUN
Data:     DIR/LABEL/*.jpg or another layout of configs/folder.py, of which a train
          part is the index that a test part is found in; with collection=grocery,
          DIR/images.csv and the photos it lists, of which `split` is the index;
          or an index, or a .npz or .parquet file of `jaxsim embed`, all of whose images
          are it
Hardware: 2 cores of an AMD EPYC (AVX-512), float32
Time:     829 s for 200 epochs on 2,485 descriptors that are there, measured every tenth
          epoch, on a machine that was busy with much else
Expect:   with collection=grocery,size_px=224, test/map .468 as given, .621 untrained,
          .639 after epoch 70, which is kept, and .613 after the last
Note:     the last epoch is not the best: which one is kept is told by the loss alone,
          see jaxsim/experiment/slowest_epoch.py; keep=last takes the last.
          graph=verified is GSS_V (with --data INDEX after `jaxsim graph verify INDEX`),
          and queries=verified besides GSS_V-SV; graph=FILE.npy takes lists of your own
"""

from typing import Literal

import fiddle as fdl

from jaxsim.data.datasets import grocery, labelled
from jaxsim.experiment.graph_experiment import GraphExperiment, GraphKeep
from jaxsim.experiment.gss import index_config


def get_config(
    collection: Literal["labelled", "grocery"] = "labelled",
    split: Literal["test", "train", "val"] = "test",
    descriptors: str | None = None,
    dim: int = 512,
    size_px: int = 480,
    layers: int = 2,
    gamma: float = 0.3,
    k: int = 10,
    kq: int = 10,
    graph: str = "nearest",
    queries: str = "nearest",
    percent: float = 98.0,
    rate: float = 1e-4,
    epochs: int = 200,
    keep: GraphKeep = "slowest",
    seed: int = 0,
) -> fdl.Config[GraphExperiment]:
    """Returns the experiment; k neighbours of an image of the index, kq of a query."""
    if collection == "grocery":
        data = fdl.Partial(grocery.train, max_class=81, split=split)
        fit_data = fdl.Partial(grocery.train, max_class=81)
        measured = fdl.Partial(grocery.one_split, split=split)
    else:
        data = fdl.Partial(labelled.training_images)
        fit_data = None
        measured = fdl.Partial(labelled.load)
    return index_config(
        data=data,
        fit_data=fit_data,
        measured=measured,
        dim=dim,
        size_px=size_px,
        descriptors=descriptors,
        layers=layers,
        gamma=gamma,
        neighbours=k,
        query_neighbours=kq,
        graph=graph,
        queries=queries,
        percent=percent,
        rate=rate,
        epochs=epochs,
        keep=keep,
        seed=seed,
    )
