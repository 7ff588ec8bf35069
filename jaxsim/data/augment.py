"""Random changes of training images that leave what they show the same."""

import io
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Float64, UInt8
from PIL import Image, ImageFilter

from jaxsim.core.errors import InputError, require_choice
from jaxsim.data.preprocess import (
    MAX_ASPECT,
    Preprocessing,
    crop_box,
    refuse_elongated,
)
from jaxsim.data.records import Box

Number = int | float
Range = tuple[float, float]
BoxUse = Literal["crop", "follow"]

LUMA = (0.299, 0.587, 0.114)


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """A random crop, brought to size by the preprocessing, and changes of its pixels.

    In this order: crop, resize, flip, colour, blur, JPEG. The numbers drawn for one
    step do not depend on the options of the others. With `resize="square"` a crop is
    squashed as evaluation squashes the whole image, up to `aspect`.

    Attributes:
      preprocessing: size and interpolation, the same as in evaluation.
      area: range of the crop's share of the image, uniform; at most 1.
      aspect: range of the crop's aspect divided by the image's own, uniform in its
        logarithm, and narrower where such a crop would not fit; around 1.
      flip: probability of a horizontal flip.
      brightness: pixels are multiplied by a factor from 1 ± this; below 1.
      contrast: distances from the image's mean grey are, likewise.
      saturation: distances from each pixel's grey are, likewise.
      hue: colours turn about the grey axis by up to this part of a full turn, at most
        1/2: a third would make red green.
      blur: probability of a Gaussian blur.
      blur_radius_px: range of its standard deviation, in resized pixels.
      jpeg: probability of compressing and decoding the result.
      jpeg_quality: range of the quality, 1 to 100.
      boxes: what is done with an image's box. "crop" crops the image to it before
        anything else; "follow" keeps the whole image and tells where the box is in the
        result, which crops would cut: `area` must then be (1, 1).

    Raises:
      InputError: a range or a probability makes no sense, or boxes would be cut.
    """

    preprocessing: Preprocessing
    area: Range = (0.4, 1.0)
    aspect: Range = (4 / 5, 5 / 4)
    flip: float = 0.5
    brightness: float = 0.2
    contrast: float = 0.2
    saturation: float = 0.2
    hue: float = 0.02
    blur: float = 0.1
    blur_radius_px: Range = (0.3, 1.5)
    jpeg: float = 0.1
    jpeg_quality: tuple[int, int] = (40, 90)
    boxes: BoxUse = "crop"

    def __post_init__(self) -> None:
        for name in ("flip", "blur", "jpeg"):
            _require_between(name, getattr(self, name), 0, 1)
        for name in ("brightness", "contrast", "saturation"):
            _require_between(name, getattr(self, name), 0, 1, below=True)
        _require_between("hue", self.hue, 0, 0.5)
        _require_range("area", self.area, 1e-3, 1)
        _require_range("aspect", self.aspect, 1 / MAX_ASPECT, MAX_ASPECT)
        _require_range("blur_radius_px", self.blur_radius_px, 0, 100)
        _require_range("jpeg_quality", self.jpeg_quality, 1, 100)
        if not self.aspect[0] <= 1 <= self.aspect[1]:
            raise InputError(f"aspect={self.aspect} must be a range around 1")
        require_choice("boxes", self.boxes, BoxUse)
        cropped = self.area != (1, 1) or self.preprocessing.crop_px is not None
        if self.boxes == "follow" and cropped:
            raise InputError(
                f"boxes='follow' needs whole images: set area=(1.0, 1.0), not "
                f"{self.area}, and crop_px=None, not {self.preprocessing.crop_px}"
            )

    @property
    def decode_px(self) -> int:
        """What images may be decoded to so that the smallest crop is not enlarged.

        In pixels of the side that the preprocessing names; for `decode`, which keeps
        twice as much.
        """
        return math.ceil(self.preprocessing.size_px / math.sqrt(self.area[0]))

    def apply(
        self,
        image: UInt8[np.ndarray, "H W 3"],
        rng: np.random.Generator,
        *,
        box: Box | None = None,
    ) -> UInt8[np.ndarray, "h w 3"]:
        """Changes one image.

        Args:
          image: uint8 [H, W, 3], upright RGB.
          rng: draws everything.
          box: cropped to first, as `Preprocessing.apply` does.

        Returns:
          uint8 [h, w, 3], of a size that the preprocessing can give.

        Raises:
          RejectedImage: as `Preprocessing.apply`; it never depends on what is drawn.
        """
        if box is not None:
            image = crop_box(image, box)
        return self._change(image, rng)[0]

    def follow(
        self,
        image: UInt8[np.ndarray, "H W 3"],
        rng: np.random.Generator,
        *,
        box: Box,
    ) -> tuple[UInt8[np.ndarray, "h w 3"], Box]:
        """Changes one image as `apply` does the whole of it, and its box with it.

        Args:
          image: uint8 [H, W, 3], upright RGB.
          rng: draws everything.
          box: clipped to the image.

        Returns:
          uint8 [h, w, 3], and the box in its pixels.

        Raises:
          InputError: the options do not say boxes="follow".
          RejectedImage: as `Preprocessing.apply`; or hardly anything of the box is in
            the image.
        """
        if self.boxes != "follow":
            raise InputError("boxes are followed only with boxes='follow'")
        crop_box(image, box)  # Refuses a box that is not in the image.
        height, width = image.shape[:2]
        y0, x0, y1, x1 = np.clip(box, 0, (height, width, height, width)).tolist()
        image, flipped = self._change(image, rng)
        down, right = image.shape[0] / height, image.shape[1] / width
        if flipped:
            x0, x1 = width - x1, width - x0
        return image, (y0 * down, x0 * right, y1 * down, x1 * right)

    def _change(
        self, image: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, bool]:
        """Returns the changed image, and whether it was flipped."""
        refuse_elongated(*image.shape[:2])
        image = self.preprocessing.apply(self._crop(image, rng))
        flipped = rng.random() < self.flip
        if flipped:
            image = image[:, ::-1]
        for change in (self._change_colour, self._blur, self._compress):
            image = change(image, rng)
        return image, flipped

    def _crop(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        height, width = image.shape[:2]
        area = rng.uniform(*self.area)
        # Beyond area and 1/area the crop would be larger than the image.
        narrow = math.log(max(self.aspect[0], area))
        wide = math.log(min(self.aspect[1], 1 / area))
        aspect = math.exp(narrow + (wide - narrow) * rng.random())
        top_frac, left_frac = rng.random(2)
        crop_height = max(round(height * math.sqrt(area / aspect)), 1)
        crop_width = max(round(width * math.sqrt(area * aspect)), 1)
        if not 1 / MAX_ASPECT <= crop_height / crop_width <= MAX_ASPECT:
            return image
        top = int(top_frac * (height - crop_height + 1))
        left = int(left_frac * (width - crop_width + 1))
        return image[top : top + crop_height, left : left + crop_width]

    def _change_colour(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        drawn = rng.uniform(-1, 1, 4)
        sizes = (self.brightness, self.contrast, self.saturation, self.hue)
        if not any(sizes):
            return image
        changes = drawn * sizes
        photo = Image.fromarray(image)
        mean_colour = np.asarray(photo.resize((1, 1), Image.Resampling.BOX))[0, 0]
        matrix = colour_matrix(
            brightness=1 + changes[0],
            contrast=1 + changes[1],
            saturation=1 + changes[2],
            hue=changes[3],
            mean_grey=float(mean_colour @ LUMA),
        )
        return np.asarray(photo.convert("RGB", tuple(matrix.ravel().tolist())))

    def _blur(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        chance, radius = rng.random(), rng.uniform(*self.blur_radius_px)
        if chance >= self.blur:
            return image
        blurred = Image.fromarray(image).filter(ImageFilter.GaussianBlur(radius))
        return np.asarray(blurred)

    def _compress(self, image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        low, high = self.jpeg_quality
        chance, quality = rng.random(), rng.integers(low, high + 1)
        if chance >= self.jpeg:
            return image
        file = io.BytesIO()
        Image.fromarray(image).save(file, "JPEG", quality=int(quality))
        with Image.open(file) as compressed:
            return np.asarray(compressed)


def no_augmentation(preprocessing: Preprocessing) -> Augmentation:
    """Returns the augmentation whose result is that of the preprocessing alone."""
    return Augmentation(
        preprocessing=preprocessing,
        area=(1.0, 1.0),
        flip=0.0,
        brightness=0.0,
        contrast=0.0,
        saturation=0.0,
        hue=0.0,
        blur=0.0,
        jpeg=0.0,
    )


def colour_matrix(
    *,
    brightness: float,
    contrast: float,
    saturation: float,
    hue: float,
    mean_grey: float,
) -> Float64[np.ndarray, "3 4"]:
    """Joins four changes of colour, done in this order, into one affine map.

    Grey is 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601). As saturation and hue keep grey
    pixels, the shift of the contrast may come last.

    Args:
      brightness: factor of all values.
      contrast: factor of the distance from the brightened mean grey.
      saturation: factor of the distance from the pixel's own grey.
      hue: turn about the grey axis, in full turns; 1/3 brings red to green.
      mean_grey: of the image before, 0 to 255.

    Returns:
      float64 [3, 4]: three columns of factors, and the shift.
    """
    to_grey = np.tile(np.array(LUMA), (3, 1))
    linear = _hue_rotation(hue) @ (to_grey + saturation * (np.eye(3) - to_grey))
    shift = (1 - contrast) * brightness * mean_grey
    return np.column_stack([brightness * contrast * linear, np.full(3, shift)])


def _hue_rotation(turns: float) -> np.ndarray:
    """Returns the rotation about (1, 1, 1), by Rodrigues' formula."""
    sine, cosine = math.sin(2 * math.pi * turns), math.cos(2 * math.pi * turns)
    cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    return cosine * np.eye(3) + sine * cross + (1 - cosine) / 3


def _require_between(
    name: str, value: Number, low: Number, high: Number, *, below: bool = False
) -> None:
    if not low <= value <= high or (below and value == high):
        limit = "below" if below else "to"
        raise InputError(f"{name}={value} is not in the range {low} {limit} {high}")


def _require_range(
    name: str, value: tuple[Number, Number], low: Number, high: Number
) -> None:
    if not low <= value[0] <= value[1] <= high:
        raise InputError(
            f"{name}={value} is not a range (low, high) within {low:g} to {high:g}"
        )
