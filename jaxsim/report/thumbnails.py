"""Small pictures that live inside a page."""

import io
from base64 import b64encode
from dataclasses import dataclass

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from jaxsim.data.images import RejectedImage, decode
from jaxsim.data.records import Box, Record

# Middle grey keeps its contrast on a light and on a dark page.
_PLACEHOLDER = """<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 96 96">
<g fill="none" stroke="#7d848c" stroke-width="3" stroke-linejoin="round">
<rect x="22" y="28" width="52" height="40" rx="4"/>
<path d="M22 62l15-15 11 11 9-9 17 17"/><circle cx="61" cy="40" r="4"/>
<path d="M18 78L78 18" stroke-linecap="round"/></g></svg>"""


@dataclass(frozen=True)
class Thumbnail:
    """A picture as text.

    Attributes:
      uri: a "data:image/…" URI.
      problem: why the image could not be shown, None if it could.
    """

    uri: str
    problem: str | None = None


def thumbnail(record: Record, *, px: int, quality: int = 80) -> Thumbnail:
    """Returns a small JPEG of an image, or a placeholder if it cannot be read.

    Args:
      record: the image; only its box is shown if it has one.
      px: longest side of the thumbnail, >= 1; small images are not enlarged.
      quality: JPEG quality, 1 to 95.
    """
    try:
        # A box is measured in full-size pixels, so only whole images are read small.
        target_px = px if record.box is None else None
        pixels = decode(record.read(), target_px=target_px)
    except RejectedImage as error:
        return _placeholder(error.reason)
    except OSError as error:
        return _placeholder((error.strerror or str(error)).lower())
    if record.box is not None:
        pixels = _crop(pixels, record.box)
        if not pixels.size:
            return _placeholder("the box lies outside the image")
    return Thumbnail(_data_uri(_jpeg(pixels, px, quality), "image/jpeg"))


def _crop(pixels: UInt8[np.ndarray, "H W 3"], box: Box) -> UInt8[np.ndarray, "h w 3"]:
    height, width = pixels.shape[:2]
    y0, x0 = (max(0, round(v)) for v in box[:2])
    y1, x1 = min(height, round(box[2])), min(width, round(box[3]))
    return pixels[y0 : max(y0, y1), x0 : max(x0, x1)]


def _jpeg(pixels: UInt8[np.ndarray, "H W 3"], px: int, quality: int) -> bytes:
    image = Image.fromarray(pixels)
    image.thumbnail((px, px), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, optimize=True)
    return buffer.getvalue()


def _placeholder(problem: str) -> Thumbnail:
    return Thumbnail(_data_uri(_PLACEHOLDER.encode(), "image/svg+xml"), problem)


def _data_uri(data: bytes, kind: str) -> str:
    return f"data:{kind};base64,{b64encode(data).decode()}"
