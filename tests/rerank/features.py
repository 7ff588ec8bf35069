"""Local features of images that never were."""

import numpy as np

from jaxsim.classical.local_features import LocalFeatures


def random_features(rng, count=60, *, pixel_size=1.0):
    """Returns points in 480 x 640 reduced pixels with unrelated descriptors."""
    points = rng.random((count, 2)) * [480, 640] * pixel_size
    sift = rng.integers(0, 256, (count, 128), np.uint8)
    # Mostly zeros, as SIFT is, so that unrelated ones are far from each other.
    sift[rng.random(sift.shape) < 0.7] = 0
    return LocalFeatures(points.astype(np.float32), sift, pixel_size)


def seen_from_elsewhere(rng, image, shared, *, pixel_size=1.0, count=60):
    """Returns another view: some points moved to the right, the others new."""
    other = random_features(rng, count, pixel_size=pixel_size)
    points, sift = other.points.copy(), other.sift.copy()
    scale = pixel_size / image.pixel_size
    points[:shared] = (image.points[:shared] * 0.8 + [20, 30]) * scale
    sift[:shared] = image.sift[:shared]
    return LocalFeatures(points, sift, pixel_size)
