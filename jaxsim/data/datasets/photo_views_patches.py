"""Which patches of which photographs are the instances of photo_views."""

from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from PIL import Image

from jaxsim.core.errors import InputError

# Raise it whenever a patch or a view changes: an old copy must not pass for a new one.
VERSION = "1.0.0"

# Real photographs inside the scikit-image wheel, one entry per scene:
# motorcycle_right shows the scene of motorcycle_left, and would give its patches
# second labels. Drawings and nearly empty pictures are left out. A file stands in one
# split, and look-alikes (grass and gravel, page and text) stand apart.
PHOTOS = {
    "train": (
        "astronaut.png",
        "brick.png",
        "chelsea.png",
        "coins.png",
        "grass.png",
        "hubble_deep_field.jpg",
        "page.png",
        "rocket.jpg",
    ),
    "test": (
        "camera.png",
        "coffee.png",
        "gravel.png",
        "ihc.png",
        "moon.png",
        "motorcycle_left.png",
        "retina.jpg",
        "text.png",
    ),
}

MIN_STD = 10.0
MIN_GRADIENT = 1.5
_TEXTURE_SIDE_PX = 128


@dataclass(frozen=True)
class Patch:
    """One instance: a square of a photograph.

    Attributes:
      label: identity, such as "coffee/03".
      file_name: of the photograph in the scikit-image wheel, such as "coffee.png".
      box: (y0, x0, y1, x1) in pixels of the photograph, half open.
    """

    label: str
    file_name: str
    box: tuple[int, int, int, int]

    @property
    def photo(self) -> str:
        """Name of the photograph, such as "coffee"."""
        return _stem(self.file_name)

    def pixels(self) -> Image.Image:
        """Returns the patch in RGB."""
        y0, x0, y1, x1 = self.box
        return read_photo(self.file_name).crop((x0, y0, x1, y1))


@cache
def read_photo(file_name: str) -> Image.Image:
    """Returns a photograph of the scikit-image wheel in RGB.

    Raises:
      InputError: the wheel does not hold the file.
    """
    path = resources.files("skimage") / "data" / file_name
    try:
        with path.open("rb") as file:
            return Image.open(file).convert("RGB")
    except FileNotFoundError as error:
        raise InputError(
            f"the photograph {path} is missing. It is part of the scikit-image wheel: "
            "reinstall scikit-image >= 0.25."
        ) from error


def texture(image: Image.Image) -> tuple[float, float]:
    """Measures how much there is to recognise in a patch.

    Args:
      image: a patch of any size.

    Returns:
      The standard deviation of the grey values (0..127.5), and the median over 64
      blocks of their mean gradient length (grey values per pixel, at 128 px): half
      of the patch has at least this much structure.
    """
    side = (_TEXTURE_SIDE_PX, _TEXTURE_SIDE_PX)
    grey = np.asarray(image.convert("L").resize(side, Image.Resampling.BILINEAR))
    dy, dx = np.gradient(grey.astype(np.float32))
    block = _TEXTURE_SIDE_PX // 8
    blocks = np.hypot(dy, dx).reshape(8, block, 8, block).mean(axis=(1, 3))
    return float(grey.std()), float(np.median(blocks))


def grid(width: int, height: int) -> list[tuple[int, int, int, int]]:
    """Cuts a photograph into squares that do not overlap, about 128 px each.

    A short side gives two to four squares, so that a large photograph gives large
    patches rather than many.

    Returns:
      Boxes (y0, x0, y1, x1), row by row.
    """
    short = min(width, height)
    side = short // min(4, max(2, round(short / 112)))
    rows, columns = height // side, width // side
    top, left = (height - rows * side) // 2, (width - columns * side) // 2
    corners = [
        (top + row * side, left + column * side)
        for row in range(rows)
        for column in range(columns)
    ]
    return [(y, x, y + side, x + side) for y, x in corners]


def textured_patches(file_name: str) -> list[Patch]:
    """Returns the instances of one photograph: its squares that are not empty."""
    patches = [
        Patch(f"{_stem(file_name)}/{position:02d}", file_name, box)
        for position, box in enumerate(grid(*read_photo(file_name).size))
    ]
    return [patch for patch in patches if _is_textured(patch.pixels())]


def _is_textured(image: Image.Image) -> bool:
    std, gradient = texture(image)
    return std >= MIN_STD and gradient >= MIN_GRADIENT


def _stem(file_name: str) -> str:
    return file_name.partition(".")[0]
