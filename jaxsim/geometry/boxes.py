"""Boxes (y0, x0, y1, x1) around points, and where an affine map sends them."""

import numpy as np
from jaxtyping import Float, Float64


def enclosing_box(points: Float[np.ndarray, "M 2"]) -> Float64[np.ndarray, " 4"]:
    """Returns the smallest box that holds all points.

    Args:
      points: float [M, 2], (y, x), M >= 1.
    """
    return np.concatenate([points.min(axis=0), points.max(axis=0)]).astype(np.float64)


def mapped_boxes(
    transforms: Float64[np.ndarray, "E 3 3"], boxes: Float64[np.ndarray, "E 4"]
) -> Float64[np.ndarray, "E 4"]:
    """Returns for each box the one that is spread as its image under an affine map.

    Both have the same centre and the same second moments along y and x. Where the map
    keeps the axes or turns them by 90 degrees, that is the image itself. The box around
    the image's corners is larger after any other turn, and would grow without end when
    boxes are mapped to and fro.

    Args:
      transforms: float64 [E, 3, 3], affine, act on columns (y, x, 1).
      boxes: float64 [E, 4].

    Returns:
      float64 [E, 4].

    >>> quarter_turn = np.array([[[0, 1, 5], [-1, 0, 9], [0, 0, 1]]], np.float64)
    >>> mapped_boxes(quarter_turn, np.array([[0.0, 0.0, 4.0, 2.0]])).tolist()
    [[5.0, 5.0, 7.0, 9.0]]
    """
    linear, offset = transforms[:, :2, :2], transforms[:, :2, 2]
    centre = (boxes[:, :2] + boxes[:, 2:]) / 2
    half = (boxes[:, 2:] - boxes[:, :2]) / 2
    centre = np.einsum("eij,ej->ei", linear, centre) + offset
    half = np.sqrt(np.einsum("eij,ej->ei", np.square(linear), np.square(half)))
    return np.concatenate([centre - half, centre + half], axis=1)


def clipped_boxes(
    boxes: Float64[np.ndarray, "N 4"], sizes: Float64[np.ndarray, "N 2"]
) -> Float64[np.ndarray, "N 4"]:
    """Returns the part of each box inside its image.

    Args:
      boxes: float64 [N, 4].
      sizes: float64 [N, 2], height and width of each image.

    Returns:
      float64 [N, 4]; a box outside the image shrinks to nothing at its border.
    """
    return np.clip(boxes, 0, np.concatenate([sizes, sizes], axis=1))
