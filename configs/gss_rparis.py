"""GSS on published descriptors of RParis6k, with the paper's numbers.

Command:  jaxsim train configs/gss_rparis.py:truth=GND.pkl,index=X.npy,queries=Q.npy
            --data DIR --out RUN
Data:     DIR/X.npy and DIR/Q.npy, the descriptors of the database and of the queries in
          rows or in columns; also .npz, .mat and .pkl; or as --data one such file that
          has both, X and Q. Ground truth as .json, .pkl or .mat
Hardware: not measured here, because the descriptors are not shipped
Time:     not measured
Expect:   not measured; 92.4/83.5 in the paper, whose descriptors are GeM of ResNet-101
Note:     the paper's epoch is chosen on the labels measured; here by the loss alone,
          beside that of the last epoch.
          Lists by spatial verification enter by graph=FILE.npy and query_graph=FILE.npy
          (GSS_V-SV; in the paper with kq=25: 93.4/85.3)
"""

import fiddle as fdl

from jaxsim.experiment.graph_experiment import GraphExperiment, GraphKeep
from jaxsim.experiment.gss import published_config


def get_config(
    truth: str,
    index: str = "",
    queries: str = "",
    dim: int = 2048,
    k: int = 5,
    kq: int = 15,
    graph: str = "nearest",
    query_graph: str = "nearest",
    epochs: int = 200,
    keep: GraphKeep = "slowest",
    seed: int = 0,
) -> fdl.Config[GraphExperiment]:
    """Returns the experiment; k neighbours of an image of the index, kq of a query."""
    return published_config(
        truth=truth,
        graded=True,
        index=index,
        queries=queries,
        dim=dim,
        neighbours=k,
        query_neighbours=kq,
        graph=graph,
        query_graph=query_graph,
        epochs=epochs,
        keep=keep,
        seed=seed,
    )
