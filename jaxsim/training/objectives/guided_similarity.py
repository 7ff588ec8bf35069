"""The objective of a network on one graph: all its nodes are one batch."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from jaxsim.losses.guided_similarity import BLOCK_ROWS, guided_similarity
from jaxsim.nn.graph import GraphNetwork
from jaxsim.ops.sparse import SparseMatrix
from jaxsim.training.objectives.base import Batch, Metrics, Objective
from jaxsim.training.state import Tree

GRAPH = "graph"
NETWORK = "network"


class GuidedSimilarityObjective(Objective):
    """Descriptors of the nodes of a graph, drawn together and pushed apart.

    The graph is among the variables, see `graph_variables`; the batch holds nothing, as
    each step sees all nodes.

    Attributes:
      network: makes new descriptors.
      alpha: α of the loss.
      block_rows: see `guided_similarity`.

    Source: Liu et al. 2019, section 3.3.
    """

    network: GraphNetwork
    alpha: float = 1.0
    block_rows: int = BLOCK_ROWS

    def outputs(self, batch: Batch, *, train: bool) -> Float[Array, "N D"]:
        """Returns the new descriptors of all nodes."""
        del batch, train
        graph = self.variables[GRAPH]
        matrix = SparseMatrix(
            columns=_in_order(graph["columns"]),
            weights=_in_order(graph["weights"]),
            places=graph["places"],
        )
        return self.network.of_mixed(matrix, graph["mixed"])

    def loss(
        self, outputs: Float[Array, "N D"], batch: Batch, *, key: jax.Array
    ) -> tuple[Float[Array, ""], Metrics]:
        """Returns the loss; nothing else costs nothing."""
        del batch, key
        return guided_similarity(
            outputs,
            beta=self.variables[GRAPH]["beta"],
            alpha=self.alpha,
            block_rows=self.block_rows,
        ), {}


def graph_variables(
    adjacency: SparseMatrix, vectors: Float[Array, "N D"], *, beta: float
) -> Tree:
    """Returns what the objective keeps beside its parameters.

    Args:
      adjacency: Â, symmetric.
      vectors: float32 [N, D], of the nodes.
      beta: β of the loss.
    """
    return {
        "mixed": adjacency @ vectors,
        "beta": jnp.float32(beta),
        "columns": {str(i): x for i, x in enumerate(adjacency.columns)},
        "weights": {str(i): x for i, x in enumerate(adjacency.weights)},
        "places": adjacency.places,
    }


def _in_order(buckets: dict[str, Array]) -> tuple[Array, ...]:
    return tuple(buckets[str(i)] for i in range(len(buckets)))
