"""Descriptors as points of a plane: their two directions of largest variance."""

import numpy as np
from jaxtyping import Float, Float32


def pca_map(vectors: Float[np.ndarray, "N D"]) -> Float32[np.ndarray, "N 2"]:
    """Projects vectors on their first two principal directions.

    A direction is turned so that its component of largest magnitude is positive, which
    makes the map a function of the vectors alone.

    Args:
      vectors: [N, D], finite, N >= 1.

    Returns:
      float32 [N, 2], with mean zero and larger variance first; zeros for a direction
      that the vectors do not have.

    Source: Pearson 1901; Hotelling 1933.
    """
    centred = vectors.astype(np.float64)
    centred -= centred.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    plane = directions[:2]
    largest = np.abs(plane).argmax(axis=1)
    signs = np.sign(plane[np.arange(len(plane)), largest])
    points = np.zeros((len(vectors), 2), np.float32)
    points[:, : len(plane)] = centred @ (plane * signs[:, None]).T
    return points
