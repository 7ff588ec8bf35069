"""Whitening of descriptors: by PCA, or learned from matching pairs (Lw).

Fitting is done once, on the host, in float64; the result is a mean and a projection
that every backend applies as x @ projection + bias.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Int

from jaxsim.core.errors import InputError

SMALLEST_EIGENVALUE_FRAC = 1e-8


@dataclass(frozen=True)
class Whitening:
    """An affine map of descriptors, x @ projection + bias.

    Attributes:
      projection: float32 [D, d], d <= D, most important direction first.
      bias: float32 [d], minus the projected mean.
    """

    projection: Float32[np.ndarray, "D d"]
    bias: Float32[np.ndarray, " d"]


def fit_pca(vectors: Float[np.ndarray, "N D"], *, dim: int) -> Whitening:
    """Fits PCA-whitening, Λ^(-1/2) Uᵀ (x - m), truncated to `dim` directions.

    Args:
      vectors: [N, D], N > dim; for R-MAC, l2-normalised region vectors.
      dim: number of directions to keep, 1 <= dim <= D.

    Raises:
      InputError: too few vectors, or they span fewer than `dim` directions.

    Source: Jégou and Chum 2012; Tolias, Sicre and Jégou 2016, section 3.2.
    """
    count, size = vectors.shape
    if not 1 <= dim <= size:
        raise InputError(f"cannot keep {dim} of {size} dimensions")
    centred = vectors.astype(np.float64)
    mean = centred.mean(axis=0)
    centred -= mean
    values, directions = np.linalg.eigh(centred.T @ centred / count)
    values, directions = values[::-1][:dim], directions[:, ::-1][:, :dim]
    _require_rank(values, dim=dim, count=count)
    return _centred_on(mean, directions / np.sqrt(values))


def fit_learned(
    vectors: Float[np.ndarray, "N D"], pairs: Int[np.ndarray, "P 2"], *, dim: int
) -> Whitening:
    """Fits Lw: whitens the differences of matching pairs, then rotates by PCA.

    With m the mean of the pairs' first members and C the mean of (q - p)(q - p)ᵀ,
    P = chol(C)⁻¹; the projection is Pᵀ times the eigenvectors of
    P (X - m)(X - m)ᵀ Pᵀ in falling order.

    Args:
      vectors: [N, D] descriptors.
      pairs: int [P, 2], rows of matching descriptors (query, positive), P >= D.
      dim: number of directions to keep, 1 <= dim <= D.

    Raises:
      InputError: too few pairs for D dimensions, or their differences do not span it.

    Source: Mikolajczyk and Matas 2007; Radenović et al. 2018, section 4.2.
    """
    size = vectors.shape[1]
    if not 1 <= dim <= size:
        raise InputError(f"cannot keep {dim} of {size} dimensions")
    if len(pairs) < size:
        raise InputError(
            f"learned whitening of {size} dimensions needs at least {size} matching "
            f"pairs, got {len(pairs)}; use PCA-whitening or more labelled images"
        )
    wide = vectors.astype(np.float64)
    queries, positives = wide[pairs[:, 0]], wide[pairs[:, 1]]
    mean = queries.mean(axis=0)
    differences = queries - positives
    try:
        factor = np.linalg.cholesky(differences.T @ differences / len(pairs))
    except np.linalg.LinAlgError as error:
        raise InputError(
            "the differences of the matching pairs do not span all "
            f"{size} dimensions; give more, and more varied, pairs"
        ) from error
    whitened = np.linalg.solve(factor, (wide - mean).T)
    _, directions = np.linalg.eigh(whitened @ whitened.T)
    projection = np.linalg.solve(factor.T, directions[:, ::-1][:, :dim])
    return _centred_on(mean, projection)


def _centred_on(
    mean: Float[np.ndarray, " D"], projection: Float[np.ndarray, "D d"]
) -> Whitening:
    bias = -mean @ projection
    return Whitening(projection.astype(np.float32), bias.astype(np.float32))


def _require_rank(values: Float[np.ndarray, " d"], *, dim: int, count: int) -> None:
    rank = int(np.sum(values > SMALLEST_EIGENVALUE_FRAC * values[0]))
    if rank < dim:
        raise InputError(
            f"cannot whiten to {dim} dimensions: the {count} vectors span only {rank}. "
            f"Fit on more images, or ask for fewer dimensions, dim={rank} at the most"
        )
