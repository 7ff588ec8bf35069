"""A network on a graph of images: new descriptors from a neighbourhood's."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Float32, Int32

from jaxsim.ops.normalise import l2_normalise
from jaxsim.ops.sparse import SparseMatrix


class QueryEdges(NamedTuple):
    """Edges from queries to the nodes of a graph, normalised as its own.

    Attributes:
      ids: int32 [Q, K], nodes; any where the weight is 0.
      weights: float32 [Q, K].
      own: float32 [Q], weight of the edge from each query to itself.
    """

    ids: Int32[Array, "Q K"]
    weights: Float32[Array, "Q K"]
    own: Float32[Array, " Q"]


class GraphNetwork(nn.Module):
    """Layers that mix each descriptor with its neighbours' and map the mixture.

    With the inputs x_l of layer l, z_l = Â x_l W_l + b_l; then x_1 = ELU(z_0) and
    x_(l+1) = z_(l-1) + γ ELU(z_l). The last is scaled to length 1. W starts near the
    identity and b at 0, so that an untrained network averages neighbourhoods.

    Attributes:
      dim: D of the descriptors, which stays.
      layers: how many, >= 1.
      gamma: γ.
      noise: standard deviation of the first W off its diagonal.

    Source: Liu et al. 2019, section 3.2, and its published code.
    """

    dim: int = 2048
    layers: int = 2
    gamma: float = 0.3
    noise: float = 1e-5

    def setup(self):
        """Declares the layers."""
        self.dense = [
            nn.Dense(
                self.dim,
                kernel_init=_near_identity(self.noise),
                precision=jax.lax.Precision.HIGHEST,
            )
            for _ in range(self.layers)
        ]

    def __call__(
        self, adjacency: SparseMatrix, vectors: Float[Array, "N D"]
    ) -> Float[Array, "N D"]:
        """Returns new descriptors of all nodes, float [N, D], unit length.

        Args:
          adjacency: Â, [N, N].
          vectors: float [N, D].
        """
        return self.of_mixed(adjacency, adjacency @ vectors)

    def of_mixed(
        self, adjacency: SparseMatrix, mixed: Float[Array, "N D"]
    ) -> Float[Array, "N D"]:
        """Returns new descriptors, given the product of Â and the vectors.

        Training computes the product once, since no parameter comes before it.
        """
        mix = [lambda _: mixed, *[adjacency.__matmul__] * (self.layers - 1)]
        return l2_normalise(self._inputs(mix, mixed)[-1])

    def inputs(
        self, adjacency: SparseMatrix, vectors: Float[Array, "N D"]
    ) -> list[Float[Array, "N D"]]:
        """Returns what each layer is given, and last the output before it is scaled.

        Args:
          adjacency: Â, [N, N].
          vectors: float [N, D].
        """
        return self._inputs([adjacency.__matmul__] * self.layers, vectors)

    def queries(
        self,
        queries: Float[Array, "Q D"],
        edges: QueryEdges,
        inputs: Sequence[Float[Array, "N D"]],
    ) -> Float[Array, "Q D"]:
        """Returns new descriptors of queries, which change nothing in the graph.

        They are the rows that the network would give to each query if it were a node
        with edges to others and none back.

        Args:
          queries: float [Q, D].
          edges: to the nodes.
          inputs: of the nodes, one for each layer, see `inputs`.
        """

        def mixing(nodes):
            def mix(x):
                near = jnp.einsum(
                    "qk,qkd->qd",
                    edges.weights,
                    nodes[edges.ids],
                    precision=jax.lax.Precision.HIGHEST,
                )
                return near + edges.own[:, None] * x

            return mix

        mix = [mixing(nodes) for nodes in inputs[: self.layers]]
        return l2_normalise(self._inputs(mix, queries)[-1])

    def _inputs(self, mix: Sequence[Callable[[Array], Array]], x: Array) -> list[Array]:
        found, before = [x], None
        for layer, mixed in zip(self.dense, mix, strict=True):
            z = layer(mixed(x))
            x = nn.elu(z) if before is None else before + self.gamma * nn.elu(z)
            found.append(x)
            before = z
        return found


def _near_identity(noise: float) -> Callable[..., Array]:
    def init(key, shape, dtype=jnp.float32):
        identity = jnp.eye(*shape, dtype=dtype)
        drawn = noise * jax.random.normal(key, shape, dtype)
        return jnp.where(identity > 0, identity, drawn)

    return init
