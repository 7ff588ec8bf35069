"""Product quantisation: a vector as one byte for each of its parts."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float32, UInt8

from jaxsim.core.errors import InputError
from jaxsim.core.rng import rng
from jaxsim.core.rows import filled
from jaxsim.ops.cluster import kmeans, lloyd, nearest_centre

CENTRES = 256
"""Centres of each part: as many as a byte tells apart, and fewest rows to train on."""

MOST_TRAINING_ROWS = 65536
_BLOCK_ROWS = 4096
_ROTATIONS, _STEPS_PER_ROTATION = 20, 4
_SMALLEST_VARIANCE_FRAC = 1e-9


@dataclass(frozen=True, eq=False)
class ProductQuantiser:
    """Cuts vectors into M parts and keeps of each the number of its nearest centre.

    Attributes:
      codebooks: float32 [M, 256, D / M], the centres of each part.
      rotation: float32 [D, D], orthonormal, applied as x @ rotation before the cut;
        None leaves vectors as they are.

    Source: Jégou, Douze and Schmid 2011, section III; the rotation is that of Ge, He,
    Ke and Sun 2013.
    """

    codebooks: Float32[np.ndarray, "M 256 d"]
    rotation: Float32[np.ndarray, "D D"] | None = None

    @property
    def code_bytes(self) -> int:
        """Number of parts, each of which is one byte."""
        return len(self.codebooks)

    @property
    def dimension(self) -> int:
        """Length of a vector."""
        return self.code_bytes * self.codebooks.shape[2]

    def encode(self, vectors: Float32[np.ndarray, "N D"]) -> UInt8[np.ndarray, "N M"]:
        """Returns the nearest centre of each part, block by block.

        Args:
          vectors: float32 [N, D], finite.
        """
        codes = np.empty((len(vectors), self.code_bytes), np.uint8)
        for start in range(0, len(vectors), _BLOCK_ROWS):
            block = vectors[start : start + _BLOCK_ROWS]
            # One shape for all but small collections, so that little is compiled.
            rows = _BLOCK_ROWS if len(vectors) > _BLOCK_ROWS else _padded(len(block))
            padded = filled(block, rows)
            found = np.asarray(_encode(rotated(padded, self.rotation), self.codebooks))
            codes[start : start + len(block)] = found[: len(block)]
        return codes

    def decode(self, codes: UInt8[np.ndarray, "N M"]) -> Float32[np.ndarray, "N D"]:
        """Returns the vectors that codes stand for.

        Args:
          codes: uint8 [N, M].
        """
        parts = self.codebooks[np.arange(self.code_bytes)[None], codes]
        return unrotated(parts.reshape(-1, self.dimension), self.rotation)


def train_quantiser(
    vectors: Float32[np.ndarray, "N D"],
    *,
    code_bytes: int,
    rotate: bool = False,
    seed: int = 0,
) -> ProductQuantiser:
    """Finds the centres of each part by k-means, and with `rotate` a rotation.

    The rotation starts from principal directions, dealt to the parts so that the
    products of their variances are alike. Then centres and rotation improve in turn:
    for the rotated vectors X R and what their codes stand for, Y, the best R is U Vᵀ
    with U S Vᵀ = XᵀY.

    Args:
      vectors: float32 [N, D], N >= 256; at most 65,536 of them, drawn by the seed, are
        used.
      code_bytes: M, a divisor of D.
      rotate: learn a rotation too (OPQ).
      seed: >= 0; equal arguments give equal codebooks on one machine.

    Raises:
      InputError: M does not divide D, or there are too few vectors.

    Source: Jégou et al. 2011; Ge et al. 2013, sections 3.1 and 3.2.
    """
    check_parts(vectors.shape[1], code_bytes)
    check_training_rows(len(vectors))
    vectors = drawn_rows(vectors, MOST_TRAINING_ROWS, seed=seed)
    if not rotate:
        return ProductQuantiser(_codebooks(vectors, code_bytes, seed))
    rotation = balanced_directions(vectors, code_bytes)
    books = _codebooks(rotated(vectors, rotation), code_bytes, seed, steps=1)
    for _ in range(_ROTATIONS):
        turned = rotated(vectors, rotation)
        books = _improved(turned, books, steps=_STEPS_PER_ROTATION)
        plain = ProductQuantiser(books)
        rotation = procrustes(vectors, plain.decode(plain.encode(turned)))
    books = _codebooks(rotated(vectors, rotation), code_bytes, seed)
    return ProductQuantiser(books, rotation)


def drawn_rows(
    vectors: Float32[np.ndarray, "N D"], most: int, *, seed: int
) -> Float32[np.ndarray, "n D"]:
    """Returns at most so many of the vectors, in their order, drawn by the seed."""
    if len(vectors) <= most:
        return vectors
    drawn = rng(seed, "training rows").permutation(len(vectors))
    return vectors[np.sort(drawn[:most])]


def check_parts(dimension: int, code_bytes: int) -> None:
    """Raises InputError unless vectors can be cut into this many equal parts."""
    if code_bytes < 1 or dimension % code_bytes:
        fitting = [n for n in range(1, dimension + 1) if dimension % n == 0]
        nearest = sorted(sorted(fitting, key=lambda n: abs(n - code_bytes))[:4])
        raise InputError(
            f"descriptors of {dimension} components cannot be cut into {code_bytes} "
            f"equal parts; choose a divisor, such as {', '.join(map(str, nearest))}"
        )


def check_training_rows(count: int, *, fewest: int = CENTRES) -> None:
    """Raises InputError unless there are vectors enough to find centres."""
    if count < fewest:
        raise InputError(
            f"{count} descriptors are too few to train this compression, which needs "
            f"at least {fewest}. Search so few exactly, by --kind exact"
        )


def rotated(
    vectors: Float32[np.ndarray, "N D"], rotation: Float32[np.ndarray, "D D"] | None
) -> Float32[np.ndarray, "N D"]:
    """Returns vectors @ rotation; the vectors themselves if there is none."""
    return vectors if rotation is None else vectors @ rotation


def unrotated(
    vectors: Float32[np.ndarray, "N D"], rotation: Float32[np.ndarray, "D D"] | None
) -> Float32[np.ndarray, "N D"]:
    """Returns vectors @ rotationᵀ, which undoes a rotation."""
    return vectors if rotation is None else vectors @ rotation.T


def balanced_directions(
    vectors: Float32[np.ndarray, "N D"], code_bytes: int
) -> Float32[np.ndarray, "D D"]:
    """Returns principal directions, dealt to the parts by eigenvalue.

    From the largest on, each goes to the part with the smallest product of variances
    among those that are not full.

    Args:
      vectors: float32 [N, D].
      code_bytes: M, a divisor of D.

    Source: Ge et al. 2013, section 3.2.
    """
    centred = vectors.astype(np.float64)
    centred -= centred.mean(axis=0)
    values, directions = np.linalg.eigh(centred.T @ centred)
    values = np.maximum(values, _SMALLEST_VARIANCE_FRAC * max(values[-1], 1e-30))
    # In the unit of the smallest, so that every direction makes its product larger.
    logs = np.log(values / values[0])
    most = len(values) // code_bytes
    parts: list[list[int]] = [[] for _ in range(code_bytes)]
    products = np.zeros(code_bytes)
    for place in range(len(values) - 1, -1, -1):
        free = [part for part in range(code_bytes) if len(parts[part]) < most]
        chosen = min(free, key=lambda part: (products[part], len(parts[part])))
        parts[chosen].append(place)
        products[chosen] += logs[place]
    order = [place for part in parts for place in part]
    return np.ascontiguousarray(directions[:, order].astype(np.float32))


def procrustes(
    vectors: Float32[np.ndarray, "N D"], targets: Float32[np.ndarray, "N D"]
) -> Float32[np.ndarray, "D D"]:
    """Returns the orthonormal R for which vectors @ R is nearest to the targets.

    Source: Schönemann 1966; Ge et al. 2013, equation 12.
    """
    left, _, right = np.linalg.svd(vectors.T @ targets)
    return left @ right


@jax.jit
def tables(
    queries: Float32[Array, "Q D"] | Float32[np.ndarray, "Q D"],
    codebooks: Float32[Array, "M 256 d"] | Float32[np.ndarray, "M 256 d"],
) -> Float32[Array, "M 256 Q"]:
    """Returns the inner product of each part of each query with each centre.

    The score of a row is the sum over its parts of what the tables hold at its codes:
    queries are not quantised ("asymmetric").

    Args:
      queries: float32 [Q, D], rotated as the vectors were.
      codebooks: float32 [M, 256, d].

    Source: Jégou et al. 2011, section III.B, with inner products for distances.
    """
    parts = queries.reshape(len(queries), len(codebooks), -1)
    return jnp.einsum(
        "qmd,mcd->mcq", parts, codebooks, precision=jax.lax.Precision.HIGHEST
    )


def _codebooks(vectors, code_bytes: int, seed: int, *, steps: int = 25):
    return np.stack(
        [
            kmeans(part, CENTRES, steps=steps, seed=seed)
            for part in _parts(vectors, code_bytes)
        ]
    )


def _improved(vectors, codebooks, *, steps: int):
    parts = _parts(vectors, len(codebooks))
    return np.stack(
        [
            lloyd(part, book, steps=steps)
            for part, book in zip(parts, codebooks, strict=True)
        ]
    )


def _parts(vectors: np.ndarray, code_bytes: int) -> list[np.ndarray]:
    return [
        np.ascontiguousarray(part) for part in np.split(vectors, code_bytes, axis=1)
    ]


@jax.jit
def _encode(vectors, codebooks) -> UInt8[Array, "B M"]:
    parts = vectors.reshape(len(vectors), len(codebooks), -1).transpose(1, 0, 2)
    found = jax.lax.map(lambda pair: nearest_centre(*pair)[0], (parts, codebooks))
    return found.T.astype(jnp.uint8)


def _padded(count: int) -> int:
    return 1 << max(count - 1, 0).bit_length()
