"""Descriptors of a trained graph in place of those they were made of."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float32, Float64, Int32, Int64

from jaxsim.core.errors import InputError
from jaxsim.core.ranking import MISSING_ID, Ranking
from jaxsim.nn.graph import GraphNetwork, QueryEdges
from jaxsim.ops.graph import Graph, normalised
from jaxsim.ops.neighbours import (
    Neighbours,
    listed_neighbours,
    nearest_neighbours,
)
from jaxsim.ops.sparse import SparseMatrix, sparse_matrix
from jaxsim.rerank.base import Asked, Gallery

Verification = Callable[
    [Int64[np.ndarray, " Q"], Int32[np.ndarray, "Q K"]], Int32[np.ndarray, "Q K"]
]
"""From rows of queries and ids of their results, -1 for none, to these ids in order."""
SAME = 1 - 1e-5
"""From this inner product on, two unit vectors describe one image."""
BLOCK_ROWS = 1024


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedGraph:
    """An index, its graph and the network that was trained on it.

    Attributes:
      network: makes new descriptors of a neighbourhood's.
      variables: {"params": …}, float32.
      vectors: float32 [N, D], the descriptors of the index, unit length.
      graph: of its rows, without self-loops, not normalised.
      query_neighbours: kq, how many rows of the index a query looks at.
      verified_queries: whether these should be found by spatial verification. It is
        for whoever gives the lists to `describe`.

    Raises:
      InputError: the parts do not fit each other.
    """

    network: GraphNetwork
    variables: dict
    vectors: Float32[np.ndarray, "N D"]
    graph: Graph
    query_neighbours: int
    verified_queries: bool = False

    def __post_init__(self):
        rows, dim = self.vectors.shape
        if rows != self.graph.nodes or dim != self.network.dim:
            raise InputError(
                f"{rows} descriptors of {dim} dimensions do not fit a graph of "
                f"{self.graph.nodes} nodes and a network of {self.network.dim} "
                "dimensions"
            )
        if self.query_neighbours < 1:
            raise InputError(
                f"a query needs at least one neighbour, not {self.query_neighbours}"
            )

    def with_variables(self, variables: dict) -> "TrainedGraph":
        """Returns the same graph with other parameters; what has none in it is shared.

        Args:
          variables: {"params": …}, float32.
        """
        other = replace(self, variables=variables)
        shared = {name: getattr(self, name) for name in ("adjacency", "_rows")}
        vars(other).update(shared)
        return other

    @cached_property
    def adjacency(self) -> SparseMatrix:
        """Â of the index."""
        return sparse_matrix(normalised(self.graph, self_loops=True))

    @cached_property
    def layer_inputs(self) -> list[Array]:
        """What each layer is given at the rows of the index, then the last output."""
        vectors = jnp.asarray(self.vectors)
        return _inputs(self.network, self.variables, self.adjacency, vectors)

    @cached_property
    def described(self) -> Float32[np.ndarray, "N D"]:
        """The new descriptors of the index, unit length."""
        found = np.asarray(self.layer_inputs[-1])
        length = np.linalg.norm(found, axis=1, keepdims=True)
        return (found / np.maximum(length, 1e-12)).astype(np.float32)

    @property
    def degrees(self) -> Float64[np.ndarray, " N"]:
        """Sums of the weights of each row, with 1 for itself."""
        return 1 + self.graph.degrees()

    def edges(self, found: Neighbours) -> QueryEdges:
        """Returns the edges of queries to their neighbours, normalised as the index'.

        A query weighs 1 for itself and its scores, cut off at 0, for its neighbours;
        the edge to row j is divided by the roots of the query's and of row j's degrees.
        No degree of the index changes.

        Args:
          found: [Q, kq], rows of the index.
        """
        known = found.ids != MISSING_ID
        weights = np.where(known, np.maximum(found.scores, 0), 0)
        ids = np.where(known, found.ids, 0)
        degrees = self.degrees
        own = 1 + weights.sum(axis=1, dtype=np.float64)
        weights = weights / np.sqrt(own[:, None] * degrees[ids])
        return QueryEdges(
            ids=jnp.asarray(ids, jnp.int32),
            weights=jnp.asarray(weights, jnp.float32),
            own=jnp.asarray(1 / own, jnp.float32),
        )

    def describe(
        self,
        queries: Float32[np.ndarray, "Q D"],
        lists: Int32[np.ndarray, "Q _K"] | None = None,
    ) -> Float32[np.ndarray, "Q D"]:
        """Returns new descriptors, of images in the index and of any others.

        Those in the index have theirs. Others get what the network makes of them and of
        their neighbours; the index stays as it is, so that an image may come at any
        time.

        Args:
          queries: float32 [Q, D], unit length.
          lists: int32 [Q, K], rows of the index, -1 for none: the neighbours of each,
            the best first, of which kq count; None takes those of the most similar
            descriptors.
        """
        k = self.query_neighbours
        nodes, outside, found = self._known(queries, 1 if lists is not None else k)
        if lists is not None:
            found = listed_neighbours(
                lists[outside, :k], queries[outside], self.vectors
            )
        described = np.empty_like(queries)
        inside = nodes != MISSING_ID
        described[inside] = self.described[nodes[inside]]
        for start in range(0, len(outside), BLOCK_ROWS):
            part = slice(start, start + BLOCK_ROWS)
            rows = outside[part]
            edges = self.edges(Neighbours(found.ids[part], found.scores[part]))
            described[rows] = self._of_queries(queries[rows], edges)
        return described

    def holds(self, vectors: Float32[np.ndarray, "Q D"]) -> Bool[np.ndarray, " Q"]:
        """Returns which images the index has, by their descriptors.

        Args:
          vectors: float32 [Q, D], unit length.
        """
        return self.nodes(vectors) != MISSING_ID

    def nodes(self, vectors: Float32[np.ndarray, "Q D"]) -> Int64[np.ndarray, " Q"]:
        """Returns the row of the index that each image is, -1 for those that are none.

        Args:
          vectors: float32 [Q, D], unit length.
        """
        return self._known(vectors, 1)[0]

    def _known(
        self, vectors: Float32[np.ndarray, "Q D"], k: int
    ) -> tuple[Int64[np.ndarray, " Q"], Int64[np.ndarray, " M"], Neighbours]:
        """Returns `nodes`, the rows of `vectors` that are none, and their neighbours.

        Images of the index are mostly asked for by the same bytes, and the others are
        searched for only.
        """
        nodes = np.array([self._rows.get(_digest(v), MISSING_ID) for v in vectors])
        nodes = nodes.astype(np.int64)  # also if there are none
        same = (self.vectors[nodes] == vectors).all(axis=1)
        nodes[~same] = MISSING_ID
        others = np.flatnonzero(nodes == MISSING_ID)
        if not len(others):
            none = np.zeros((0, k))
            return (
                nodes,
                others,
                Neighbours(none.astype(np.int32), none.astype(np.float32)),
            )
        found = nearest_neighbours(vectors[others], self.vectors, k)
        inside = _inside(found)
        nodes[others[inside]] = found.ids[inside, 0]
        outside = Neighbours(found.ids[~inside], found.scores[~inside])
        return nodes, others[~inside], outside

    @cached_property
    def _rows(self) -> dict[int, int]:
        """The first row of the index of each digest."""
        rows: dict[int, int] = {}
        for row, vector in enumerate(self.vectors):
            rows.setdefault(_digest(vector), row)
        return rows

    def _of_queries(self, queries: np.ndarray, edges: QueryEdges) -> np.ndarray:
        count = len(queries)
        # Few shapes, so that few programs are compiled.
        padding = (1 << (count - 1).bit_length()) - count

        def padded(x):
            return jnp.pad(jnp.asarray(x), ((0, padding), *[(0, 0)] * (x.ndim - 1)))

        found = _of_queries(
            self.network,
            self.variables,
            padded(queries),
            QueryEdges(*map(padded, edges)),
            self.layer_inputs[:-1],
        )
        return np.asarray(found)[:count]


# Compiled once for a network, whatever its parameters.
@partial(jax.jit, static_argnames="network")
def _inputs(network, variables, adjacency, vectors) -> list[Array]:
    return network.apply(variables, adjacency, vectors, method="inputs")


@partial(jax.jit, static_argnames="network")
def _of_queries(network, variables, queries, edges, inputs) -> Array:
    return network.apply(variables, queries, edges, inputs, method="queries")


def _digest(vector: Float32[np.ndarray, " D"]) -> int:
    return hash(vector.tobytes())


def _inside(nearest: Neighbours) -> Bool[np.ndarray, " Q"]:
    return (nearest.scores[:, 0] >= SAME) & (nearest.ids[:, 0] != MISSING_ID)


@dataclass(frozen=True)
class GraphGallery(Gallery):
    """A gallery with new descriptors.

    Attributes:
      nodes: int32 [N], the node of the graph that each image is; -1 for those that are
        none. Empty where nobody asks.
    """

    nodes: Int32[np.ndarray, " M"]


@dataclass(frozen=True, kw_only=True)
class GraphReranking:
    """Searches by the descriptors of a trained graph.

    Attributes:
      trained: makes them, of images and queries.
      verification: gives the first results the order in which they are a query's
        neighbours; None takes those of the most similar descriptors.
      candidates: how many results are verified.

    Source: Liu et al. 2019, "Guided similarity separation for image retrieval".
    """

    trained: TrainedGraph
    verification: Verification | None = None
    candidates: int = 100

    @property
    def reach(self) -> int:
        """How many results it looks at; without verification it only asks again."""
        return 1 if self.verification is None else self.candidates

    def prepare(self, gallery: Gallery) -> GraphGallery:
        """Returns the gallery with its new descriptors.

        Raises:
          InputError: it has other descriptors than the graph.
        """
        dim = self.trained.network.dim
        if gallery.vectors.shape[1] != dim:
            raise InputError(
                f"the graph was trained on descriptors of {dim} dimensions, and these "
                f"have {gallery.vectors.shape[1]}. Describe the images by the model it "
                "was trained on"
            )
        vectors = np.zeros_like(gallery.vectors)
        if gallery.live.any():
            vectors[gallery.live] = self.trained.describe(gallery.vectors[gallery.live])
        nodes = np.zeros(0, np.int32)
        if self.verification is not None:
            nodes = self._nodes(gallery)
        return GraphGallery(vectors, gallery.live, nodes)

    def __call__(
        self, asked: Asked, ranking: Ranking, gallery: Gallery
    ) -> tuple[Asked, Ranking]:
        """Returns the queries with new descriptors, and what they find.

        Args:
          asked: Q queries.
          ranking: whose first results are verified; else only its length counts.
          gallery: as `prepare` returned it.
        """
        assert isinstance(gallery, GraphGallery)
        lists = None
        if self.verification is not None:
            lists = self._verified(asked, ranking, gallery)
        described = self.trained.describe(asked.vectors, lists)
        again = gallery.search(described, ranking.ids.shape[1])
        return Asked(described, asked.rows), again

    def _nodes(self, gallery: Gallery) -> Int32[np.ndarray, " N"]:
        """Finds the images of a gallery in the graph, by their descriptors."""
        mine, nodes = self.trained.vectors, np.full(len(gallery.vectors), -1, np.int32)
        rows = np.flatnonzero(gallery.live)
        if mine.shape == gallery.vectors.shape:
            # Of images with equal descriptors each is its own node.
            scores = np.einsum("nd,nd->n", mine, gallery.vectors)
            same = gallery.live & (scores >= SAME)
            nodes[same] = np.flatnonzero(same)
            rows = np.flatnonzero(gallery.live & ~same)
        nodes[rows] = self.trained.nodes(gallery.vectors[rows])
        return nodes

    def _verified(
        self, asked: Asked, ranking: Ranking, gallery: GraphGallery
    ) -> Int32[np.ndarray, "Q K"]:
        """Returns the nodes among the verified results of each query, in their order.

        Images of the index have their descriptors already, and are not looked at.
        """
        assert self.verification is not None
        ids = ranking.ids[:, : self.candidates].astype(np.int32)
        lists = np.full(ids.shape, MISSING_ID, np.int32)
        others = np.flatnonzero(~self.trained.holds(asked.vectors))
        if not len(others):
            return lists
        verified = self.verification(asked.rows[others], ids[others])
        nodes = np.where(verified == MISSING_ID, MISSING_ID, gallery.nodes[verified])
        order = np.argsort(nodes == MISSING_ID, axis=1, kind="stable")
        lists[others] = np.take_along_axis(nodes, order, axis=1)
        return lists
