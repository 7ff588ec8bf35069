"""Weights, images and sample positions computed by formulas, the same everywhere."""

import zlib

import numpy as np


def uniform(name: str, count: int) -> np.ndarray:
    """Returns float64 [count] numbers in [0, 1) that depend on `name` only.

    Each is a 64-bit mix (Steele et al. 2014, SplitMix64) of its position, so that no
    library's random stream has to stay the same.
    """
    seed = np.uint64(zlib.crc32(name.encode()) << 32)
    x = (np.arange(1, count + 1, dtype=np.uint64) + seed) * np.uint64(
        0x9E3779B97F4A7C15
    )
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
    return ((x ^ (x >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53


def weight(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Returns float32 values that keep activations moderate.

    Args:
      name: PyTorch name; its end and the number of axes tell what it is.
      shape: in PyTorch's layout.
    """
    u = uniform(name, int(np.prod(shape))).reshape(shape)
    if len(shape) > 1:  # kernels: He et al. 2015
        value = (2 * u - 1) * np.sqrt(6 / np.prod(shape[1:]))
    elif name.endswith("running_var"):
        value = 0.75 + u / 2
    elif name.endswith("weight"):  # scales of batch norm
        value = 0.5 + u / 2
    else:
        value = (u - 0.5) / 5
    return value.astype(np.float32)


def noise_image(size: int) -> np.ndarray:
    """Returns float32 [1, size, size, 3] in [-2, 2]."""
    return (
        (4 * uniform("image", size * size * 3) - 2)
        .astype(np.float32)
        .reshape(1, size, size, 3)
    )


def photo_pixels(size: int) -> np.ndarray:
    """Returns scikit-image's astronaut, uint8 [1, size, size, 3].

    Args:
      size: at most 256; the photo has half of its resolution, without interpolation.
    """
    from skimage.data import astronaut

    return astronaut()[::2, ::2][None, :size, :size]


def photo(size: int) -> np.ndarray:
    """Returns the same photo as float32 in [-1, 1]."""
    return (photo_pixels(size).astype(np.float32) - 127) / 128


def sample(maps: np.ndarray, count: int = 300) -> np.ndarray:
    """Returns `count` values of a map [1, H, W, C] from all over it."""
    flat = maps.reshape(-1)
    return flat[(uniform("sample", count) * flat.size).astype(np.int64)]
