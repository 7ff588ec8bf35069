"""SIFT by scikit-image, which is always installed, and slow."""

import numpy as np
from jaxtyping import Float, Float32, UInt8


def sift_of_skimage(
    grey: UInt8[np.ndarray, "H W"], *, limit: int
) -> tuple[Float32[np.ndarray, "L 2"], UInt8[np.ndarray, "L 128"]]:
    """Returns the strongest points (y, x) and their descriptors.

    Args:
      grey: uint8 [H, W].
      limit: L is at most this.
    """
    from skimage.feature import SIFT

    pixels = grey.astype(np.float32) / 255
    sift = SIFT()
    try:
        sift.detect(pixels)
    except RuntimeError as error:
        if "no features" not in str(error):
            raise
        return np.zeros((0, 2), np.float32), np.zeros((0, 128), np.uint8)
    # scikit-image makes floats of them where an octave has no point.
    for name in ("octaves", "scales"):
        setattr(sift, name, getattr(sift, name).astype(int))
    strength = _strength(pixels, sift)
    strongest = np.argsort(-strength, kind="stable")[:limit]
    # Describing a point takes longest, so the weak ones are dropped before.
    for name in ("positions", "scales", "sigmas", "orientations", "octaves"):
        setattr(sift, name, getattr(sift, name)[strongest])
    sift.extract(pixels)
    return np.asarray(sift.positions, np.float32), np.asarray(sift.descriptors)


def _strength(pixels: Float32[np.ndarray, "H W"], sift) -> Float[np.ndarray, " L"]:
    """Returns |σ² ∇²G * image| at each point, which scikit-image does not tell.

    Up to a factor that is the difference of Gaussians in which the point is an
    extremum. Filters of large σ are applied to a reduced image, where they are short.
    """
    from scipy.ndimage import gaussian_laplace

    strength = np.zeros(len(sift.positions))
    levels = np.stack([sift.octaves, sift.scales], axis=1)
    for octave, scale in np.unique(levels, axis=0).tolist():
        chosen = (levels == [octave, scale]).all(axis=1)
        step = 2 ** max(octave - 1, 0)
        sigma = sift.scalespace_sigmas[octave, scale] / step
        response = sigma**2 * gaussian_laplace(_reduced(pixels, step), sigma)
        at = np.round((sift.positions[chosen] + 0.5) / step - 0.5).astype(int)
        y, x = np.clip(at, 0, np.array(response.shape) - 1).T
        strength[chosen] = np.abs(response[y, x])
    return strength


def _reduced(pixels: Float32[np.ndarray, "H W"], step: int) -> np.ndarray:
    """Returns the means of squares of pixels; those at the end may be smaller."""
    if step == 1:
        return pixels
    height, width = pixels.shape
    missing = ((0, -height % step), (0, -width % step))
    padded = np.pad(pixels, missing, mode="edge")
    squares = padded.reshape(len(padded) // step, step, -1, step)
    return squares.mean(axis=(1, 3))
