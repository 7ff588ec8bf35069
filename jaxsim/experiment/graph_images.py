"""The images of a run on a graph, and where their descriptors come from."""

from pathlib import Path

import fiddle as fdl
import numpy as np

from jaxsim.core.errors import InputError
from jaxsim.core.progress import Bars
from jaxsim.data.published import PublishedDescriptors
from jaxsim.data.records import Record, RetrievalSet
from jaxsim.experiment.construct import construct
from jaxsim.experiment.described import (
    DescribedImages,
    images_of_index,
    is_descriptor_file,
    is_index,
    records_of,
)
from jaxsim.index.storage import IndexStore
from jaxsim.pipeline.descriptor_file import DescriptorFile, read_descriptors

PUBLISHED = "published"
"""In place of the fingerprint of a model that is not there."""


def graph_images(
    config: fdl.Config, root: Path, folder: Path, bars: Bars
) -> DescribedImages:
    """Returns the index as what is trained on, and what is measured.

    Args:
      config: of a `GraphExperiment`.
      root: folder of the images, a file of descriptors, or an index.
      folder: where descriptors are kept.
      bars: shows progress.

    Raises:
      InputError: there are no descriptors and nothing to make them.
    """
    if config.published is not None:
        return _published(construct(config.published), config, root, folder, bars)
    measure = config.measure and construct(config.measure)
    if is_index(root):
        images, given = images_of_index(IndexStore.open(root))
        return DescribedImages(
            training=images,
            sets=_labelled(images) if measure else [],
            file=None,
            descriptor=config.descriptor,
            folder=folder,
            bars=bars,
            given=given,
        )
    if is_descriptor_file(root):
        images = records_of(read_descriptors(root))
        file, sets, fit = root, _labelled(images) if measure else [], None
    else:
        images = list(construct(config.data)(root))
        sets = measure.data(root) if measure else []
        file = Path(config.descriptors) if config.descriptors else None
        fit = list(construct(config.fit_data)(root)) if config.fit_data else None
        if file is None and config.descriptor is None:
            raise InputError(
                "the config describes no images: set `descriptor`, or `descriptors` to "
                "a file of 'jaxsim embed'"
            )
    return DescribedImages(
        training=images,
        sets=sets,
        file=file,
        descriptor=config.descriptor,
        folder=folder,
        bars=bars,
        fit=fit,
    )


def _labelled(records: list[Record]) -> list[RetrievalSet]:
    """Returns one set whose images query each other; none if no label repeats."""
    labels = [r.label for r in records if r.label is not None]
    repeat = len(set(labels)) < len(labels)
    return [RetrievalSet(name="all", database=records)] * repeat


def _published(
    published: PublishedDescriptors,
    config: fdl.Config,
    root: Path,
    folder: Path,
    bars: Bars,
) -> DescribedImages:
    data = published.retrieval_set()
    database, queries = published.read(root)
    records = [*data.database, *(data.queries or ())]
    return DescribedImages(
        training=data.database,
        sets=[data] if config.measure else [],
        file=None,
        descriptor=config.descriptor,
        folder=folder,
        bars=bars,
        given=DescriptorFile(
            vectors=np.concatenate([database, queries]),
            names=tuple(record.name for record in records),
            labels=(None,) * len(records),
            fingerprint=PUBLISHED,
        ),
    )
