"""One row per objective: what it minimises, and what may change its loss."""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.nn.graph import GraphNetwork
from jaxsim.nn.pooling import Rmac
from jaxsim.nn.region_proposals import RegionProposals
from jaxsim.nn.similarity import SimilarityNetwork
from jaxsim.ops.graph import normalised, union_graph
from jaxsim.ops.neighbours import self_neighbours
from jaxsim.ops.sparse import sparse_matrix
from jaxsim.training.objectives.base import Objective
from jaxsim.training.objectives.classification import ClassificationObjective
from jaxsim.training.objectives.criteria import (
    AveragePrecisionCriterion,
    ContrastiveCriterion,
    MultiSimilarityCriterion,
    TripletCriterion,
)
from jaxsim.training.objectives.descriptor import Criterion, DescriptorObjective
from jaxsim.training.objectives.guided_similarity import (
    GRAPH,
    NETWORK,
    GuidedSimilarityObjective,
    graph_variables,
)
from jaxsim.training.objectives.region_proposals import RegionProposalObjective
from jaxsim.training.objectives.similarity import ImagePairObjective
from tests.training import tiny

LABELS = 4
"""How many labels the batches of the tests have."""


def unit_vectors(rows: int) -> jax.Array:
    """Returns descriptors for a loss to compare."""
    vectors = jax.random.normal(jax.random.key(1), (rows, 8))
    return vectors / jnp.linalg.norm(vectors, axis=1, keepdims=True)


def scored_anchors(rows: int) -> jax.Array:
    """Returns anchors in an image of 16 pixels, with logits and offsets."""
    random = jax.random.normal(jax.random.key(1), (rows, 24, 5))
    low = jax.random.uniform(jax.random.key(2), (rows, 24, 2), maxval=8)
    return jnp.concatenate([random, low, low + 8], axis=-1)


@dataclass(frozen=True, kw_only=True)
class ObjectiveCase:
    """An objective under test.

    Attributes:
      objective: around the network of `tests.training.tiny`.
      rows: of the batch that belong together, such as 3 for triplets.
      draws: whether it draws, so that the order of the batch may change the loss.
      needs_matches: whether a batch without two images of one label teaches nothing.
      outputs: makes what the loss is given, of a number of rows.
      variables: makes its first ones; None lets it make them of a batch.
      alone: whether each output is of one example of the batch; else one step sees a
        whole graph, whatever the batch.
    """

    objective: Objective
    rows: int = 1
    draws: bool = False
    needs_matches: bool = True
    outputs: Callable[[int], jax.Array] = unit_vectors
    variables: Callable[[], dict] | None = None
    alone: bool = True


GRAPH_NETWORK = GraphNetwork(dim=8, noise=0.1)


def small_graph() -> dict:
    """Returns variables of a network on a graph of 16 nodes."""
    vectors = np.asarray(unit_vectors(16))
    graph = normalised(union_graph(self_neighbours(vectors, 4)), self_loops=True)
    adjacency = sparse_matrix(graph)
    params = GRAPH_NETWORK.init(jax.random.key(0), adjacency, jnp.asarray(vectors))
    return {
        "params": {NETWORK: params["params"]},
        GRAPH: graph_variables(adjacency, jnp.asarray(vectors), beta=0.2),
    }


def _criterion(criterion: Criterion, **options) -> ObjectiveCase:
    return ObjectiveCase(
        objective=DescriptorObjective(tiny.network(), criterion), **options
    )


def _head(head: str) -> ObjectiveCase:
    objective = ClassificationObjective(tiny.network(), head=head, num_labels=LABELS)
    return ObjectiveCase(objective=objective, needs_matches=False)


OBJECTIVES = {
    "batch hard": _criterion(TripletCriterion(margin=0.5)),
    "semi hard": _criterion(TripletCriterion(miner="semi_hard", squared=True)),
    "all triplets": _criterion(TripletCriterion(miner="all", margin=None)),
    "violating": _criterion(TripletCriterion(miner="all", average="violating")),
    "distance weighted": _criterion(
        TripletCriterion(miner="distance_weighted"), draws=True
    ),
    "rows of triplets": _criterion(
        TripletCriterion(miner="rows", margin=0.5, scale=0.5), rows=3
    ),
    "all pairs": _criterion(ContrastiveCriterion(pairs="all"), needs_matches=False),
    "rows of pairs": _criterion(ContrastiveCriterion(), rows=2, needs_matches=False),
    "multi-similarity": _criterion(MultiSimilarityCriterion()),
    "average precision": _criterion(AveragePrecisionCriterion()),
    "pairs of images": ObjectiveCase(
        objective=ImagePairObjective(
            tiny.network(), SimilarityNetwork(dim=8, widths=(16, 8))
        ),
        rows=2,
        needs_matches=False,
    ),
    "guided similarity": ObjectiveCase(
        objective=GuidedSimilarityObjective(network=GRAPH_NETWORK, block_rows=5),
        needs_matches=False,
        variables=small_graph,
        alone=False,
    ),
    "softmax": _head("softmax"),
    "arcface": _head("arcface"),
    "cosface": _head("cosface"),
    "region proposals": ObjectiveCase(
        objective=RegionProposalObjective(
            tiny.network().clone(
                pooling=Rmac(proposals=RegionProposals(count=4, channels=8))
            ),
            sample=32,
        ),
        draws=True,
        needs_matches=False,
        outputs=scored_anchors,
    ),
}
