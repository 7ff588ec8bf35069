"""SIFT by OpenCV, an optional package: about ten times as fast as scikit-image."""

import numpy as np
from jaxtyping import Float32, UInt8

from jaxsim.core.errors import MissingExtraError


def sift_of_opencv(
    grey: UInt8[np.ndarray, "H W"], *, limit: int
) -> tuple[Float32[np.ndarray, "L 2"], UInt8[np.ndarray, "L 128"]]:
    """Returns the strongest points (y, x) and their descriptors.

    Args:
      grey: uint8 [H, W].
      limit: L is at most this.

    Raises:
      MissingExtraError: OpenCV is not installed.
    """
    try:
        import cv2  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise MissingExtraError("opencv-python-headless", "opencv") from error
    keypoints, descriptors = cv2.SIFT.create(limit).detectAndCompute(grey, None)
    if not keypoints:
        return np.zeros((0, 2), np.float32), np.zeros((0, 128), np.uint8)
    # Points of equal strength may be more than were asked for, and are in any order.
    strength = np.array([keypoint.response for keypoint in keypoints])
    strongest = np.argsort(-strength, kind="stable")[:limit]
    points = np.array([keypoint.pt[::-1] for keypoint in keypoints], np.float32)
    # The values are whole numbers from 0 to 255 already.
    return points[strongest], descriptors[strongest].astype(np.uint8)
