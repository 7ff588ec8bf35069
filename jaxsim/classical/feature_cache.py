"""Local features on disk, so that no image is analysed twice."""

import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from jaxsim.classical.local_features import (
    Engine,
    LocalFeatures,
    check_options,
    default_engine,
    extract,
)
from jaxsim.core.files import atomic_write

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class FeatureCache:
    """A folder with one file for each image content; safe to share among processes.

    The options are part of the file's path, so that features of other options, or of
    another engine, are never mixed up.

    Attributes:
      folder: made when the first file is written.
      size_px: see `jaxsim.classical.local_features.extract`.
      limit: see there.
      engine: see there.

    Raises:
      InputError: an option is out of range.
    """

    folder: Path
    size_px: int = 640
    limit: int = 1000
    engine: Engine | None = None

    def __post_init__(self):
        check_options(size_px=self.size_px, limit=self.limit, engine=self.engine)
        if self.engine is None:
            object.__setattr__(self, "engine", default_engine())

    def path(self, name: str) -> Path:
        """Returns where the features of an image are, or would be.

        Args:
          name: names the image's content, such as `jaxsim.core.files.content_hash`.
        """
        options = f"sift{FORMAT}-{self.engine}-{self.size_px}-{self.limit}"
        return self.folder / options / name[:2] / f"{name}.npz"

    def get(
        self, name: str, image: Callable[[], UInt8[np.ndarray, "H W 3"]]
    ) -> LocalFeatures:
        """Returns stored features, or finds and stores them.

        Args:
          name: of the image's content.
          image: called if nothing readable is stored; returns uint8 [H, W, 3], RGB.

        Raises:
          InputError: the file cannot be written.
          MissingExtraError: the engine is not installed.
        """
        path = self.path(name)
        features = _read(path)
        if features is None:
            features = extract(
                image(), size_px=self.size_px, limit=self.limit, engine=self.engine
            )
            with atomic_write(path) as file:
                np.savez(
                    file,
                    allow_pickle=False,
                    points=features.points,
                    sift=features.sift,
                    pixel_size=np.float64(features.pixel_size),
                )
        return features


def _read(path: Path) -> LocalFeatures | None:
    """Returns what is stored; None if there is nothing, or it is damaged."""
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            points, sift, pixel_size = (
                stored[name] for name in ("points", "sift", "pixel_size")
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    fits = (
        points.dtype == np.float32
        and sift.dtype == np.uint8
        and points.shape == (len(sift), 2)
        and sift.shape == (len(sift), 128)
        and np.isfinite(points).all()
        and pixel_size.shape == ()
        and pixel_size >= 1
    )
    return LocalFeatures(points, sift, float(pixel_size)) if fits else None
