"""Points and what a known transform makes of them."""

import numpy as np

HOMOGRAPHY = np.array([[0.9, 0.2, 15], [-0.1, 1.1, -20], [2e-4, -3e-4, 1]])
AFFINE = np.array([[0.8, -0.3, 40], [0.25, 1.2, -10], [0, 0, 1]])
TRANSFORMS = {"homography": HOMOGRAPHY, "affine": AFFINE}


def points(rng, count):
    """Returns float32 [count, 2] in an image of 480 x 640."""
    return (rng.random((count, 2)) * [480, 640]).astype(np.float32)


def moved(transform, source):
    """Applies a transform to each point, one by one."""
    found = []
    for y, x in np.asarray(source, np.float64):
        a, b, w = (row[0] * y + row[1] * x + row[2] for row in transform)
        found.append((a / w, b / w))
    return np.array(found, np.float32).reshape(-1, 2)


def scene(rng, model, *, inliers, outliers=0, noise_px=0.0):
    """Returns source, target and which of them are inliers, in random order."""
    source = points(rng, inliers + outliers)
    target = moved(TRANSFORMS[model], source)
    target += noise_px * rng.standard_normal(target.shape).astype(np.float32)
    true = np.arange(inliers + outliers) < inliers
    target[~true] = points(rng, outliers)
    order = rng.permutation(len(source))
    return source[order], target[order], true[order]
