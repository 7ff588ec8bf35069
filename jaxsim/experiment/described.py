"""Descriptors of the images of a run: from a file, or made once and kept in one."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import fiddle as fdl
import numpy as np

from jaxsim.core.errors import InputError
from jaxsim.core.progress import Bars
from jaxsim.data.records import Record, RetrievalSet
from jaxsim.experiment.build import build_model, load_model
from jaxsim.experiment.construct import construct
from jaxsim.experiment.indexing import fit_sample
from jaxsim.experiment.measure import require_readable
from jaxsim.experiment.model_spec import ModelSpec
from jaxsim.index.manifest import MANIFEST
from jaxsim.index.storage import IndexStore
from jaxsim.pipeline.descriptor_file import (
    SUFFIXES,
    DescriptorFile,
    read_descriptors,
    stored_name,
    write_descriptors,
)
from jaxsim.pipeline.embed import Embedder, Embedding
from jaxsim.pipeline.model import CONFIG_FILE
from jaxsim.pipeline.search import stored_images

DESCRIPTOR_FOLDER = "descriptor"
DESCRIPTORS_FILE = "descriptors.npz"
EVERY = 5
MOST_MISSING = 0.01
"""Share of images that a file of descriptors may lack."""


@dataclass(frozen=True)
class DescribedImages:
    """Images and where their descriptors come from.

    Attributes:
      training: the images to train on.
      sets: what is measured.
      file: has the descriptors; None makes them.
      descriptor: config of the model that makes them; None where they are there.
      folder: where they and their model are kept.
      bars: shows progress.
      fit: the images that whitening is fitted on; None takes those to train on.
      given: the descriptors, if they are there already.
    """

    training: Sequence[Record]
    sets: Sequence[RetrievalSet]
    file: Path | None
    descriptor: fdl.Config[ModelSpec] | None
    folder: Path
    bars: Bars
    fit: Sequence[Record] | None = None
    given: DescriptorFile | None = None

    @cached_property
    def records(self) -> list[Record]:
        """All images, each once.

        Raises:
          InputError: two images have one name, or one is a part of an image.
        """
        asked = [r for data in self.sets for r in (data.queries or ())]
        ranked = [r for data in self.sets for r in data.database]
        records: dict[str, Record] = {}
        for record in [*self.training, *ranked, *asked]:
            if records.setdefault(record.name, record).content != record.content:
                raise InputError(
                    f"two images have the name '{record.name}', by which descriptors "
                    "are kept. Rename one, or keep the parts of a collection in "
                    "folders of one folder"
                )
        if boxed := [r.name for r in records.values() if r.box is not None]:
            raise InputError(
                f"descriptors are kept by the names of images, and '{boxed[0]}' is a "
                "part of one. Cut it out into a file of its own"
            )
        return list(records.values())

    @cached_property
    def descriptors(self) -> DescriptorFile:
        """The descriptors, read or made now.

        Raises:
          InputError: they cannot be used, or more than a hundredth of the images have
            none in a file.
        """
        if self.given is not None:
            return self.given
        if self.file is not None:
            found = read_descriptors(self.file)
            self._require_most(found)
            return found
        made = self.folder / DESCRIPTORS_FILE
        if not made.exists():
            self._make(made)
        return read_descriptors(made)

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {name: row for row, name in enumerate(self.descriptors.names)}

    def _row(self, record: Record) -> int:
        return self._rows.get(stored_name(record.name), -1)

    def of(self, records: Sequence[Record]) -> Embedding:
        """Returns the descriptors of some of the images."""
        rows = np.array([self._row(record) for record in records], np.int64)
        vectors = np.where(rows[:, None] >= 0, self.descriptors.vectors[rows], 0)
        return Embedding(
            vectors=vectors.astype(np.float32), found=rows >= 0, rejects=()
        )

    def inputs(self, collections: dict[str, Sequence[Record]]) -> dict[str, np.ndarray]:
        """Returns the descriptors of a run's images, each once; see `Run.inputs`.

        Args:
          collections: of the run, see `Run.collections`.
        """
        records = {r.name: r for images in collections.values() for r in images}
        return {"the descriptors": self.of(list(records.values())).vectors}

    def _require_most(self, found: DescriptorFile) -> None:
        """Goes on without a few, which may be damaged; many are another folder's."""
        known = set(found.names)
        missing = [r.name for r in self.records if stored_name(r.name) not in known]
        if not missing:
            return
        text = (
            f"{len(missing)} of {len(self.records)} images have no descriptor in "
            f"'{self.file}', such as '{missing[0]}'"
        )
        if len(missing) > MOST_MISSING * len(self.records):
            raise InputError(
                f"{text}. Make it by 'jaxsim embed' of the same folder, or leave "
                "descriptors=… away to describe them now"
            )
        logging.getLogger(__name__).warning("%s; they are left out", text)

    def _make(self, path: Path) -> None:
        place = self.folder / DESCRIPTOR_FOLDER
        if (place / CONFIG_FILE).exists():
            model = load_model(place)
        else:
            assert self.descriptor is not None
            images = self.training if self.fit is None else self.fit
            model = build_model(self.descriptor, fit_sample(images), bars=self.bars)
            model.save(place)
        with self.bars("embed", len(self.records)) as progress:
            embedding = Embedder(model).embed(self.records, progress)
        require_readable(embedding.rejects)
        write_descriptors(path, embedding, self.records, fingerprint=model.fingerprint)


def described_images(
    config: fdl.Config, root: Path, folder: Path, bars: Bars
) -> DescribedImages:
    """Returns the images of a run, nothing described yet.

    Args:
      config: of a `SimilarityExperiment`.
      root: folder of the images, or a file of descriptors.
      folder: where descriptors are kept.
      bars: shows progress.
    """
    measure = config.measure and construct(config.measure)
    if is_descriptor_file(root):
        training, sets = images_of_file(root)
        file, sets = root, sets if measure else []
    else:
        training = list(construct(config.data)(root))
        sets = measure.data(root) if measure else []
        file = Path(config.descriptors) if config.descriptors else None
    return DescribedImages(
        training=training,
        sets=sets,
        file=file,
        descriptor=config.descriptor,
        folder=folder,
        bars=bars,
    )


def is_descriptor_file(root: Path) -> bool:
    """Returns whether --data names a file of descriptors instead of images."""
    return root.suffix in SUFFIXES


def images_of_file(path: Path) -> tuple[list[Record], list[RetrievalSet]]:
    """Returns the images of a descriptor file: to train on, and to measure.

    Every fifth image is held out; these query each other. None are measured if no two
    of them share a label.

    Args:
      path: .npz or .parquet of `jaxsim embed`, made of labelled images.

    Raises:
      InputError: it cannot be read.
    """
    file = read_descriptors(path)
    records = records_of(file)
    held = records[EVERY - 1 :: EVERY]
    training = [r for i, r in enumerate(records) if i % EVERY != EVERY - 1]
    labels = [r.label for r in held if r.label is not None]
    sets = [RetrievalSet(name="held_out", database=held)] if held else []
    return training, sets if len(set(labels)) < len(labels) else []


def records_of(file: DescriptorFile) -> list[Record]:
    """Returns the images of a file of descriptors, which has their names and labels."""
    return [
        Record(name=name, content=Path(name), label=label)
        for name, label in zip(file.names, file.labels, strict=True)
    ]


def images_of_index(store: IndexStore) -> tuple[list[Record], DescriptorFile]:
    """Returns the images of an index that are not deleted, and their descriptors.

    Args:
      store: the index.

    Raises:
      InputError: it has none yet.
    """
    ids = store.live_ids
    if not len(ids):
        raise InputError(
            f"{store.path} has no images yet; finish it with 'jaxsim index'"
        )
    stored = stored_images(store)
    records = [stored[i] for i in ids.tolist()]
    return records, DescriptorFile(
        vectors=store.take(ids),
        names=tuple(stored_name(record.name) for record in records),
        labels=tuple(record.label for record in records),
        fingerprint=str(store.manifest.fingerprint),
    )


def is_index(root: Path) -> bool:
    """Returns whether --data names an index instead of images."""
    return (root / MANIFEST).is_file()


def without_missing(images: DescribedImages) -> list[Record]:
    """Returns the training images that have a descriptor."""
    found = images.of(images.training).found
    return [r for r, known in zip(images.training, found, strict=True) if known]
