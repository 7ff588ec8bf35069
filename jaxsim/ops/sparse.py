"""Sparse matrices whose products are quick on CPU and GPU."""

from dataclasses import dataclass, field, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Float32, Int32

from jaxsim.ops.graph import Graph

_Parts = tuple[tuple[Array, ...], tuple[Array, ...], Array]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, eq=False)
class SparseMatrix:
    """A matrix of few entries a row, multiplied by dense ones from the left.

    Rows of about one number of entries make a bucket and are padded to its width; a
    product adds one entry of all rows of a bucket at a time. So there are no atomic
    additions, and equal products give equal bits.

    Attributes:
      columns: of each bucket int32 [W, B]: of the W entries of B rows.
      weights: of each bucket float32 [W, B]; 0 where padded.
      places: int32 [N], where each row stands among those of all buckets.
      back: the transposed matrix, for gradients; None if the matrix is symmetric.
    """

    columns: tuple[Int32[Array, "_W _B"], ...]
    weights: tuple[Float32[Array, "_W _B"], ...]
    places: Int32[Array, " N"]
    back: "SparseMatrix | None" = field(default=None)

    @property
    def nodes(self) -> int:
        """N, the number of rows and of columns."""
        return len(self.places)

    def __matmul__(self, dense: Float[Array, "N *D"]) -> Float[Array, "N *D"]:
        """Returns the product with a vector or a matrix, of the dense one's type.

        Gradients flow to the dense factor only.
        """
        back = self if self.back is None else self.back
        wide = dense[:, None] if dense.ndim == 1 else dense
        return _product(self._parts, back._parts, wide).reshape(dense.shape)

    @property
    def _parts(self) -> "_Parts":
        # Not the matrix: JAX rebuilds what it differentiates with things that are no
        # arrays, which checks of types refuse.
        return self.columns, self.weights, self.places


def sparse_matrix(graph: Graph) -> SparseMatrix:
    """Puts the weights of a graph on the device, as a matrix [N, N]."""
    matrix = _by_buckets(graph)
    order = np.lexsort((graph.rows, graph.columns))
    turned = Graph(
        graph.columns[order], graph.rows[order], graph.weights[order], graph.nodes
    )
    same = all(
        np.array_equal(getattr(graph, name), getattr(turned, name))
        for name in ("rows", "columns", "weights")
    )
    return matrix if same else replace(matrix, back=_by_buckets(turned))


def _by_buckets(graph: Graph) -> SparseMatrix:
    entries = np.bincount(graph.rows, minlength=graph.nodes)
    first = np.cumsum(entries) - entries
    widths = _widths(int(entries.max(initial=0)))
    bucket = np.searchsorted(widths, entries)
    columns, weights = [], []
    for number in np.unique(bucket):
        rows = np.flatnonzero(bucket == number)
        place = np.arange(int(widths[number]))[:, None]
        inside = place < entries[rows][None]
        at = np.where(inside, first[rows][None] + place, 0)
        # Padding reads row 0, times 0: a dense factor must be finite.
        columns.append(jnp.asarray(_taken(graph.columns, at, inside)))
        weights.append(jnp.asarray(_taken(graph.weights, at, inside)))
    places = np.empty(graph.nodes, np.int32)
    places[np.argsort(bucket, kind="stable")] = np.arange(graph.nodes)
    return SparseMatrix(tuple(columns), tuple(weights), jnp.asarray(places))


def _taken(values: np.ndarray, at: np.ndarray, inside: np.ndarray) -> np.ndarray:
    if not at.size or not len(values):
        return np.zeros(at.shape, values.dtype)
    return np.where(inside, values[at], 0).astype(values.dtype)


def _widths(most: int) -> np.ndarray:
    """Returns 0, 4, 8, 16, … up to at least a number."""
    widths = [0, 4]
    while widths[-1] < most:
        widths.append(2 * widths[-1])
    return np.array(widths)


@jax.custom_vjp
@jax.jit
def _product(matrix: _Parts, back: _Parts, dense: Array) -> Array:
    columns, weights, places = matrix
    parts = [
        _of_bucket(*bucket, dense) for bucket in zip(columns, weights, strict=True)
    ]
    if not parts:
        return jnp.zeros_like(dense)
    return jnp.concatenate(parts)[places].astype(dense.dtype)


def _of_bucket(columns: Array, weights: Array, dense: Array) -> Array:
    width, rows = columns.shape
    total = jnp.zeros((rows, dense.shape[1]), jnp.float32)
    if not width:
        return total

    def add(entry, total):
        return total + weights[entry][:, None] * dense[columns[entry]]

    return jax.lax.fori_loop(0, width, add, total)


def _forward(matrix: _Parts, back: _Parts, dense: Array):
    return _product(matrix, back, dense), back


def _backward(back: _Parts, gradient: Array):
    # The transposed of the transposed is not kept: this is not differentiated again.
    return None, None, _product(back, back, gradient)


_product.defvjp(_forward, _backward)
