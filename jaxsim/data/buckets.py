"""The few shapes into which images are padded, so that few programs are compiled."""

import math

from jaxsim.core.errors import InputError

MULTIPLE_PX = 8
SHORT_SIDES = (3 / 8, 1 / 2, 9 / 16, 2 / 3, 3 / 4, 7 / 8)
# Cameras miss their nominal aspect by a few pixels.
SLACK = 1.01


def bucket_shape(height: int, width: int, *, size_px: int) -> tuple[int, int]:
    """Returns the smallest bucket that holds a resized image.

    One side of a bucket is `size_px` rounded up to a multiple of 8. If that is the
    longer side, the shorter is one of six fractions of it (the usual aspects 2:1, 16:9,
    3:2, 4:3 and two more, 1% wider) or equal to it: 13 shapes at most. If it is the
    shorter side, the longer is found by the same aspects, or a power of two times it.

    Args:
      height: of the resized image, > 0.
      width: of the resized image, > 0.
      size_px: the length its longest (or shortest) side was resized to.

    Raises:
      InputError: both sides are longer than `size_px`.

    >>> bucket_shape(360, 480, size_px=480), bucket_shape(480, 320, size_px=480)
    ((368, 480), (480, 328))
    """
    side = _round_up(size_px)
    short, long = sorted((height, width))
    if short > side:
        raise InputError(
            f"an image of {width}x{height} px was not resized to {size_px} px"
        )
    bucket = _shortest_grid(short, side) if long <= side else _longest_grid(long, side)
    return bucket if height <= width else (bucket[1], bucket[0])


def _shortest_grid(short: int, side: int) -> tuple[int, int]:
    grid = (_round_up(fraction * SLACK * side) for fraction in SHORT_SIDES)
    return next((length for length in grid if short <= length), side), side


def _longest_grid(long: int, side: int) -> tuple[int, int]:
    grid = (_round_up(side * SLACK / fraction) for fraction in reversed(SHORT_SIDES))
    beyond = _round_up(side * 2 ** math.ceil(math.log2(long / side)))
    return side, next((length for length in grid if long <= length), beyond)


def _round_up(length: int | float) -> int:
    return math.ceil(length / MULTIPLE_PX) * MULTIPLE_PX
