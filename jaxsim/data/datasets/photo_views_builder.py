"""The TFDS builder of photo_views.

A TFDS builder is a class, so this module imports TFDS at its top, which takes half a
second: import it inside functions only.
"""

import io
import itertools
import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from tqdm import tqdm

from jaxsim.core.rng import rng
from jaxsim.data.datasets.photo_views_patches import (
    PHOTOS,
    VERSION,
    Patch,
    read_photo,
    textured_patches,
)
from jaxsim.data.datasets.photo_views_render import draw_view, render


@dataclass(eq=False, kw_only=True)
class PhotoViewsConfig(tfds.core.BuilderConfig):
    """What the images depend on.

    Attributes:
      seed: of all views, >= 0.
      views: images of each instance, >= 1.
      max_instances: of each photograph; None takes all.
    """

    seed: int
    views: int
    max_instances: int | None


class PhotoViews(tfds.core.GeneratorBasedBuilder):
    """Views of patches of real photographs."""

    VERSION = tfds.core.Version(VERSION)
    # No checksums of downloads: to look for them, TFDS 4.9.10 imports a package that it
    # does not require (tensorflow/datasets issue 11212).
    url_infos = None

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description=self.__doc__,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(encoding_format="jpeg"),
                    "name": tfds.features.Text(),
                    "label": tfds.features.Text(),
                    "photo": tfds.features.Text(),
                    "view": tfds.features.Scalar(np.int32),
                }
            ),
            disable_shuffling=True,  # rows in the order of photographs and patches
        )

    def _split_generators(self, dl_manager) -> dict[str, Iterator]:
        del dl_manager  # nothing to download
        return {split: self._generate_examples(split) for split in PHOTOS}

    def _generate_examples(self, split: str) -> Iterator[tuple[int, dict[str, Any]]]:
        config = self.builder_config
        assert isinstance(config, PhotoViewsConfig)
        jobs = [
            (patch, view)
            for file_name in PHOTOS[split]
            for patch in itertools.islice(
                textured_patches(file_name), config.max_instances
            )
            for view in range(config.views)
        ]
        # Threads suffice: Pillow and numpy let go of the interpreter while they work.
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            examples = pool.map(lambda job: example(*job, seed=config.seed), jobs)
            # Nothing is shown where standard error is no terminal.
            bar = tqdm(
                examples, f"photo_views {split}", len(jobs), unit="image", disable=None
            )
            yield from enumerate(bar)


def example(patch: Patch, view: int, *, seed: int) -> dict[str, Any]:
    """Renders one view of a patch, every second one partly hidden.

    Args:
      patch: the instance.
      view: number of the view, >= 0.
      seed: of the data set.

    Returns:
      The fields of the builder's features.
    """
    random = rng(seed, f"photo_views/{patch.label}", view)
    # The background comes from the same split, so that no photograph is in both.
    split = next(names for names in PHOTOS.values() if patch.file_name in names)
    others = [name for name in split if name != patch.file_name]
    background = read_photo(others[random.integers(len(others))])
    parameters = draw_view(random, occluded=view % 2 == 1)
    return {
        "image": render(patch.pixels(), background, parameters),
        "name": f"{patch.label}/{view:02d}",
        "label": patch.label,
        "photo": patch.photo,
        "view": view,
    }


def build(data_dir: Path, config: PhotoViewsConfig) -> Path:
    """Writes all images below `data_dir` without asking the network.

    Returns:
      The folder that holds `dataset_info.json`.
    """
    offline = tfds.download.DownloadConfig(try_download_gcs=False)
    with _quiet():
        builder = PhotoViews(
            data_dir=data_dir, config=config, file_format="array_record"
        )
        builder.download_and_prepare(download_config=offline)
    return Path(builder.data_dir)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps TFDS from printing, warning and showing bars of its own next to ours."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.ERROR)
    tfds.disable_progress_bar()
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        tfds.enable_progress_bar()
        logger.setLevel(level)
