"""How an image is cropped and resized before a network sees it."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from jaxsim.core.errors import InputError
from jaxsim.data.images import MIN_SIDE_PX, RejectedImage
from jaxsim.data.records import Box

MAX_ASPECT = 32
MIN_RESIZED_PX = 32
MAX_RESIZED_PX = 8192

_RESAMPLING = {
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
}


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """Size and interpolation of a network's input.

    Attributes:
      size_px: length of the side that `resize` names.
      resize: "longest" or "shortest" keep the aspect and bring that side to
        `size_px`; "square" squashes the image. Small images are enlarged.
      crop_px: side of the central square kept after resizing; None keeps everything.
      interpolation: with Pillow's antialiasing.

    Raises:
      InputError: a size is too small, or the crop is larger than the image.
    """

    size_px: int = 480
    resize: Literal["longest", "shortest", "square"] = "longest"
    crop_px: int | None = None
    interpolation: Literal["bilinear", "bicubic"] = "bilinear"

    def __post_init__(self):
        if self.resize not in ("longest", "shortest", "square"):
            raise InputError(
                f"resize='{self.resize}' is not one of longest, shortest, square"
            )
        if self.interpolation not in _RESAMPLING:
            raise InputError(
                f"interpolation='{self.interpolation}' is not one of bilinear, bicubic"
            )
        if not MIN_RESIZED_PX <= self.size_px <= MAX_RESIZED_PX:
            raise InputError(
                f"size_px={self.size_px} is not between {MIN_RESIZED_PX} and "
                f"{MAX_RESIZED_PX}"
            )
        if self.crop_px is not None and (
            self.resize == "longest" or not 0 < self.crop_px <= self.size_px
        ):
            raise InputError(
                f"crop_px={self.crop_px} needs resize='shortest' or 'square' and at "
                f"most size_px={self.size_px}; got resize='{self.resize}'"
            )

    def resized_shape(self, height: int, width: int) -> tuple[int, int]:
        """Returns the height and width after resizing, before the central crop.

        The shorter side stays at least 32 px, so that every network keeps one cell of
        its map; only images more elongated than `size_px`/32 are stretched by it.

        Args:
          height: of the image (after its box crop), > 0.
          width: of the image, > 0.
        """
        if self.resize == "square":
            return self.size_px, self.size_px
        side = max if self.resize == "longest" else min
        scale = self.size_px / side(height, width)
        return (
            max(round(height * scale), MIN_RESIZED_PX),
            max(round(width * scale), MIN_RESIZED_PX),
        )

    def apply(
        self, image: UInt8[np.ndarray, "H W 3"], *, box: Box | None = None
    ) -> UInt8[np.ndarray, "h w 3"]:
        """Crops to the box, resizes, and crops the centre.

        Args:
          image: uint8 [H, W, 3], upright RGB.
          box: (y0, x0, y1, x1) in pixels, half open, rounded and clipped to the image;
            None for the whole image.

        Returns:
          uint8 [h, w, 3].

        Raises:
          RejectedImage: the box is empty, or the image longer than 32 times its width.
        """
        if box is not None:
            image = crop_box(image, box)
        height, width = image.shape[:2]
        refuse_elongated(height, width)
        new_height, new_width = self.resized_shape(height, width)
        if (new_height, new_width) != (height, width):
            resized = Image.fromarray(image).resize(
                (new_width, new_height), _RESAMPLING[self.interpolation]
            )
            image = np.asarray(resized)
        return image if self.crop_px is None else _crop_centre(image, self.crop_px)


def crop_box(image: UInt8[np.ndarray, "H W 3"], box: Box) -> UInt8[np.ndarray, "h w 3"]:
    """Returns the part of an image inside a box, without copying it.

    Args:
      image: uint8 [H, W, 3].
      box: (y0, x0, y1, x1) in pixels, half open, rounded and clipped to the image.

    Raises:
      RejectedImage: the box is empty.
    """
    height, width = image.shape[:2]
    y0, x0, y1, x1 = (round(edge) for edge in box)
    cropped = image[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)]
    if min(cropped.shape[:2]) < MIN_SIDE_PX:
        raise RejectedImage(
            f"the box {box} covers less than {MIN_SIDE_PX} px of the image's "
            f"{height} rows and {width} columns"
        )
    return cropped


def refuse_elongated(height: int, width: int) -> None:
    """Raises RejectedImage for an image longer than 32 times its width."""
    if max(height, width) > MAX_ASPECT * min(height, width):
        raise RejectedImage(
            f"too elongated: {width}x{height} px, at most 1:{MAX_ASPECT}"
        )


def _crop_centre(image: np.ndarray, side: int) -> np.ndarray:
    top, left = ((length - side) // 2 for length in image.shape[:2])
    return image[top : top + side, left : left + side]
