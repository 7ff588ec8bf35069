"""One box for each image of a thing, found by asking the images that match it."""

import logging

import numpy as np
from jaxtyping import Float64, Int

from jaxsim.geometry.boxes import clipped_boxes, mapped_boxes
from jaxsim.ops.geometric_median import geometric_medians


def diffused_boxes(
    pairs: Int[np.ndarray, "E 2"],
    boxes: Float64[np.ndarray, "E 2 4"],
    transforms: Float64[np.ndarray, "E 3 3"],
    sizes: Float64[np.ndarray, "N 2"],
    *,
    alpha: float = 0.1,
    tolerance_px: float = 0.05,
    most_updates: int = 1000,
) -> Float64[np.ndarray, "N 4"]:
    """Returns of each image the box that the images that match it agree on.

    An image starts with the geometric median of its matches' boxes. Then each match of
    images i and j with the map A from i to j proposes (1 - alpha) B_j + alpha A(B_i)
    for j, and for i the same by the inverse of A. All proposals for an image are merged
    by their geometric median and clipped to the image, until no box moves.

    Args:
      pairs: int [E, 2], the two images of each match; each image is in one at least.
      boxes: float64 [E, 2, 4], around the matching points in the first image of a pair
        and in the second, (y0, x0, y1, x1) in pixels.
      transforms: float64 [E, 3, 3], affine and invertible, from the first image to the
        second, act on columns (y, x, 1) in the same units as the boxes.
      sizes: float64 [N, 2], height and width of each image in pixels.
      alpha: how much of a proposal is another image's box, 0..1.
      tolerance_px: it ends when no edge of a box moves as far as this in an update.
      most_updates: it ends after so many at last.

    Returns:
      float64 [N, 4].

    Source: Gordo et al. 2016, section 3.3; what the paper prints as alpha - 1 is
    1 - alpha. See `jaxsim.geometry.boxes.mapped_boxes` for A(B).
    """
    images = len(sizes)
    source = np.concatenate([pairs[:, 0], pairs[:, 1]])
    target = np.concatenate([pairs[:, 1], pairs[:, 0]])
    maps = np.concatenate([transforms, np.linalg.inv(transforms)])

    def merged(proposals):
        return geometric_medians(proposals, target, groups=images)

    found = merged(np.concatenate([boxes[:, 1], boxes[:, 0]]))
    found = clipped_boxes(found, sizes)
    for _ in range(most_updates):
        others = mapped_boxes(maps, found[source])
        before = found
        found = merged((1 - alpha) * found[target] + alpha * others)
        found = clipped_boxes(found, sizes)
        if np.abs(found - before).max(initial=0) < tolerance_px:
            break
    else:
        logging.getLogger(__name__).warning(
            "boxes still moved after %d updates", most_updates
        )
    return found
