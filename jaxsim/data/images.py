"""Encoded image files become upright 8-bit RGB arrays, or are rejected."""

import functools
import io
import re
import warnings
from typing import Literal

import numpy as np
from jaxtyping import UInt8
from PIL import Image, UnidentifiedImageError

from jaxsim.core.errors import InputError

# Of what Pillow knows, the formats of pictures; some others start programs.
FORMATS = tuple("AVIF BMP GIF JPEG JPEG2000 MPO PNG PPM TIFF WEBP".split())
MIN_SIDE_PX = 4
MAX_PIXELS = 2**27

_SUFFIXES = {"JPEG": ".jpg", "MPO": ".jpg", "JPEG2000": ".jp2"}
_ORIENTATION_TAG = 0x0112
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_LYING = (5, 6, 7, 8)
_PILLOW_FILTER = ("ignore", None, Warning, re.compile(r"PIL\."), 0)


class RejectedImage(InputError):
    """An image that cannot be used.

    Attributes:
      reason: why, in a few words for the user.
    """

    def __init__(self, reason: str):
        super().__init__(f"the image cannot be used: {reason}")
        self.reason = reason


def decode(
    data: bytes,
    *,
    target_px: int | None = None,
    target_side: Literal["longest", "shortest"] = "longest",
    max_pixels: int = MAX_PIXELS,
) -> UInt8[np.ndarray, "H W 3"]:
    """Decodes an image file of any format Pillow reads.

    EXIF orientation is applied, 16-bit values are scaled to 8 bits, transparency is
    laid on white; of an animation the first frame is taken; colour profiles are
    ignored.

    Args:
      data: the encoded file.
      target_px: the size the image will be reduced to, if known. A JPEG may then be
        decoded at 1/2, 1/4 or 1/8 of its size, never below twice the target.
      target_side: which side `target_px` speaks of.
      max_pixels: larger images are rejected by their header, before decoding; at most
        Pillow's own limit of about 179 million.

    Returns:
      uint8 [H, W, 3], upright RGB.

    Raises:
      RejectedImage: the file is empty, truncated, no image, too small or too large.
      MemoryError: too little memory is left, which says nothing of the file.
    """
    if not data:
        raise RejectedImage("empty file")
    _silence_pillow()
    try:
        with Image.open(io.BytesIO(data), formats=_formats()) as image:
            _check_size(*image.size, max_pixels=max_pixels)
            if target_px is not None:
                side = max(image.size) if target_side == "longest" else min(image.size)
                _reduce_while_decoding(image, factor=side // (2 * target_px))
            image.load()
            return np.asarray(_upright(_to_rgb(image), _orientation(image)))
    except (RejectedImage, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise RejectedImage("not an image of a known format") from error
    except Image.DecompressionBombError as error:
        raise RejectedImage("too many pixels to decode") from error
    except Exception as error:
        # Pillow's parsers answer damaged files with almost any exception type.
        raise RejectedImage(f"damaged or unsupported: {error}") from error


def upright_size(data: bytes) -> tuple[int, int]:
    """Returns the height and width of an image that `decode` accepts, by its header.

    Args:
      data: the encoded file.
    """
    with Image.open(io.BytesIO(data), formats=_formats()) as image:
        if image.format == "TIFF":
            # Versions of Pillow turn it when it is opened, or when it is loaded.
            height, width = decode(data).shape[:2]
            return height, width
        width, height = image.size
        return (width, height) if _orientation(image) in _LYING else (height, width)


def file_suffix(data: bytes) -> str:
    """Returns how a file of an image that `decode` accepts is usually named.

    Args:
      data: the encoded file.

    Returns:
      Such as ".jpg".
    """
    with Image.open(io.BytesIO(data), formats=_formats()) as image:
        return _SUFFIXES.get(image.format or "", f".{image.format}".lower())


@functools.cache
def _formats() -> tuple[str, ...]:
    """Returns those of `FORMATS` that this build of Pillow can read."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _silence_pillow() -> None:
    """Ignores Pillow's warnings, for they would interrupt a progress bar.

    `warnings.catch_warnings` is not safe among threads, so the filter stays.
    """
    if _PILLOW_FILTER not in warnings.filters:
        warnings.filterwarnings("ignore", module=r"PIL\.")


def _check_size(width: int, height: int, *, max_pixels: int) -> None:
    if min(width, height) < MIN_SIDE_PX:
        raise RejectedImage(
            f"too small: {width}x{height} px, at least {MIN_SIDE_PX} a side are needed"
        )
    if width * height > max_pixels:
        raise RejectedImage(
            f"too many pixels to decode: {width}x{height}, at most {max_pixels}"
        )


def _reduce_while_decoding(image: Image.Image, *, factor: int) -> None:
    if factor >= 2:
        width, height = image.size
        image.draft(None, (width // factor, height // factor))


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(_ORIENTATION_TAG, 1)
    except Exception:
        # Damaged metadata does not make the pixels unusable.
        return 1


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    method = _UPRIGHT.get(orientation)
    return image if method is None else image.transpose(method)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = Image.fromarray(_to_8_bits(image))
    elif image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _to_8_bits(image: Image.Image) -> UInt8[np.ndarray, "H W"]:
    """Scales deep grey values; Pillow's own conversion clips them at 255.

    16-bit files use their whole range. For 32-bit files, which state no range, white is
    the first of 1 (floats only), 255, 65535 and the maximum that covers all values.
    """
    values = np.asarray(image)
    if image.mode.startswith("I;16") or image.format in ("PNG", "PPM"):
        return ((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    values = np.nan_to_num(values.astype(np.float32), posinf=0, neginf=0)
    peak = float(values.max())
    whites = (1.0, 255.0, 65535.0) if image.mode == "F" else (255.0, 65535.0)
    white = next((white for white in whites if peak <= white), peak)
    return np.rint(np.clip(values / white, 0, 1) * 255).astype(np.uint8)
