"""The inductive query of a trained graph as a program: a new descriptor for one.

Beside the network it holds what a query needs of the index: the descriptors, among
which its neighbours are found, what each layer is given at them, and their new ones.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.core.errors import InputError
from jaxsim.export.program import Program
from jaxsim.nn.graph import GraphNetwork, QueryEdges
from jaxsim.pipeline.graph_model import GraphModel
from jaxsim.rerank.graph import SAME

MOST_BYTES = 2_000_000_000
"""Files of ONNX and StableHLO hold no more."""


@dataclass(frozen=True, kw_only=True, eq=False)
class GraphQueries:
    """What answers inductive queries.

    Attributes:
      network: of the graph.
      variables: {"params": {"network": …, "index": …}}; of the N rows of the index
        "vectors", "described" and "layer_1", … float32 [N, D], "degrees" float32 [N].
      neighbours: rows of the index that a query looks at.
      described_by: fingerprint of the model that makes the descriptors.
    """

    network: GraphNetwork
    variables: dict[str, Any]
    neighbours: int
    described_by: str

    @classmethod
    def of(cls, model: GraphModel) -> "GraphQueries":
        """Takes what queries need of a trained graph."""
        trained = model.trained
        index = {
            "vectors": trained.vectors,
            "described": trained.described,
            "degrees": trained.degrees.astype(np.float32),
        }
        # The first layer is given the descriptors, the last output is no layer's.
        for number, given in enumerate(trained.layer_inputs[1:-1], start=1):
            index[f"layer_{number}"] = np.asarray(given)
        network = jax.tree.map(np.asarray, trained.variables["params"])
        return cls(
            network=trained.network,
            variables={"params": {"network": network, "index": index}},
            neighbours=min(trained.query_neighbours, len(trained.vectors)),
            described_by=model.described_by,
        )

    @property
    def images(self) -> int:
        """N."""
        return len(self.variables["params"]["index"]["vectors"])

    def require_small(self, format: str) -> None:
        """Raises InputError if it is larger than a file of the format may be."""
        size = sum(leaf.nbytes for leaf in jax.tree.leaves(self.variables))
        if size > MOST_BYTES:
            raise InputError(
                f"the graph's {self.images} images need {size / 1e9:.1f} GB, and a "
                f"file of {format} holds {MOST_BYTES / 1e9:.0f}. Use --format "
                "safetensors, or train on fewer images or dimensions"
            )


def graph_program(model: GraphQueries) -> Program:
    """Returns the program from descriptors to new descriptors, in float32.

    It takes "queries", float32 [B, D], unit length, as `described_by` makes them, and
    gives "descriptors", float32 [B, D]. An image of the index gets what it has there.
    """
    dim = model.network.dim
    layers = model.network.layers

    def describe(variables, queries):
        index = variables["params"]["index"]
        scores = jnp.einsum(
            "qd,nd->qn",
            queries,
            index["vectors"],
            precision=jax.lax.Precision.HIGHEST,
        )
        weights, ids = jax.lax.top_k(scores, model.neighbours)
        nearest = weights[:, 0]
        weights = jnp.maximum(weights, 0)
        own = 1 + weights.sum(axis=1)
        roots = jnp.sqrt(own[:, None] * index["degrees"][ids])
        edges = QueryEdges(ids=ids, weights=weights / roots, own=1 / own)
        inputs = [index["vectors"], *(index[f"layer_{i}"] for i in range(1, layers))]
        found: Any = model.network.apply(
            {"params": variables["params"]["network"]},
            queries,
            edges,
            inputs,
            method="queries",
        )
        known = index["described"][ids[:, 0]]
        return jnp.where((nearest >= SAME)[:, None], known, found)

    return Program(
        function=describe,
        variables=model.variables,
        inputs={"queries": ((dim,), np.dtype(np.float32))},
        output="descriptors",
    )
