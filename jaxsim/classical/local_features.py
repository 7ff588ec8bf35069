"""Points of an image that can be found again, each with a descriptor."""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from jaxsim.classical.sift_opencv import sift_of_opencv
from jaxsim.classical.sift_skimage import sift_of_skimage
from jaxsim.core.errors import InputError, require_choice

Engine = Literal["opencv", "skimage"]
"""Who finds the points, the fastest first. Their descriptors cannot be compared."""

_SIFT: dict[Engine, Callable[..., tuple[np.ndarray, np.ndarray]]] = {
    "opencv": sift_of_opencv,
    "skimage": sift_of_skimage,
}
_MODULES: dict[Engine, str] = {"opencv": "cv2", "skimage": "skimage"}
_SMALLEST_SIDE_PX = 16


@dataclass(frozen=True, eq=False)
class LocalFeatures:
    """The L strongest points of an image, strongest first.

    Attributes:
      points: float32 [L, 2], (y, x) in pixels of the image; the centre of the first
        pixel is (0, 0).
      sift: uint8 [L, 128], SIFT descriptors as Lowe quantises them; what is stored.
      pixel_size: how many of the image's pixels make one, a side, of the reduced image
        that the points were found in. Their positions are about as exact as that.
    """

    points: Float32[np.ndarray, "L 2"]
    sift: UInt8[np.ndarray, "L 128"]
    pixel_size: float

    def __len__(self) -> int:
        """Returns the number of points."""
        return len(self.points)

    @property
    def descriptors(self) -> Float32[np.ndarray, "L 128"]:
        """Root-SIFT, unit vectors whose inner product is Hellinger's kernel."""
        return root_sift(self.sift)


def root_sift(sift: UInt8[np.ndarray, "L D"]) -> Float32[np.ndarray, "L D"]:
    """Returns the square roots of histograms that sum to 1; of zeros, zeros.

    Args:
      sift: uint8 [L, D].

    >>> root_sift(np.array([[9, 16, 0]], np.uint8)).tolist()
    [[0.6000000238418579, 0.800000011920929, 0.0]]

    Source: Arandjelović and Zisserman 2012.
    """
    total = np.maximum(sift.sum(axis=1, keepdims=True, dtype=np.float32), 1)
    return np.sqrt(sift.astype(np.float32) / total)


def default_engine() -> Engine:
    """Returns the fastest engine that is installed."""
    engines: tuple[Engine, ...] = get_args(Engine)
    return next(e for e in engines if importlib.util.find_spec(_MODULES[e]))


def extract(
    image: UInt8[np.ndarray, "H W 3"],
    *,
    size_px: int = 640,
    limit: int = 1000,
    engine: Engine | None = None,
) -> LocalFeatures:
    """Finds the strongest SIFT points of an image.

    Args:
      image: uint8 [H, W, 3], RGB.
      size_px: larger images are reduced to this longest side first.
      limit: keep at most this many points.
      engine: None takes the fastest that is installed.

    Returns:
      The points; none in images without contrast, or with a side below 16 px.

    Raises:
      InputError: an option is out of range.
      MissingExtraError: the engine is not installed.

    Source: Lowe 2004.
    """
    check_options(size_px=size_px, limit=limit, engine=engine)
    grey = Image.fromarray(image).convert("L")
    pixel_size = max(max(grey.size) / size_px, 1.0)
    width, height = (max(round(side / pixel_size), 1) for side in grey.size)
    scale = np.array([grey.height / height, grey.width / width], np.float32)
    if (width, height) != grey.size:
        grey = grey.resize((width, height), Image.Resampling.BILINEAR)
    points = np.zeros((0, 2), np.float32)
    sift = np.zeros((0, 128), np.uint8)
    if min(width, height) >= _SMALLEST_SIDE_PX:
        points, sift = _SIFT[engine or default_engine()](np.asarray(grey), limit=limit)
    # Both images begin half a pixel before the centre of their first pixel.
    points = (points + 0.5) * scale[None] - 0.5
    return LocalFeatures(points.astype(np.float32), sift, pixel_size)


def check_options(*, size_px: int, limit: int, engine: Engine | None) -> None:
    """Raises InputError for options of `extract` that are out of range."""
    if size_px < _SMALLEST_SIDE_PX or limit < 1:
        raise InputError(
            f"local features need size_px >= {_SMALLEST_SIDE_PX} and limit >= 1; got "
            f"size_px={size_px} and limit={limit}"
        )
    if engine is not None:
        require_choice("engine", engine, Engine)
