"""What re-rankers are compared on: retrieval sets and the descriptors of their images.

They come from a config and its photos, from these and a file of descriptors, from a
config that reads published descriptors, from a file of descriptors alone, or from an
index.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import fiddle as fdl
import numpy as np

from jaxsim.core.errors import InputError
from jaxsim.core.progress import Bars
from jaxsim.data.records import Record, RetrievalSet
from jaxsim.evaluation.protocols.base import Protocol
from jaxsim.evaluation.protocols.same_label import SameLabel
from jaxsim.experiment.build import build_model
from jaxsim.experiment.collection import Collection
from jaxsim.experiment.config_file import load_config
from jaxsim.experiment.construct import construct
from jaxsim.experiment.described import (
    images_of_index,
    is_descriptor_file,
    is_index,
    records_of,
)
from jaxsim.experiment.evaluate import retrieval_config
from jaxsim.experiment.graph_experiment import GraphExperiment
from jaxsim.experiment.graph_images import graph_images
from jaxsim.index.storage import IndexStore
from jaxsim.pipeline.descriptor_file import (
    DescriptorFile,
    read_descriptors,
    stored_name,
)
from jaxsim.pipeline.embed import Embedder, Embedding


@dataclass(frozen=True, kw_only=True)
class ComparedSets:
    """Sets, how they are judged, and the descriptors of their images.

    Attributes:
      sets: at least one.
      protocol: which results are right.
      embedding_of: gives the descriptors of images of the sets.
      about: where they are from, for people.
    """

    sets: Sequence[RetrievalSet]
    protocol: Protocol
    embedding_of: Callable[[Sequence[Record]], Embedding]
    about: dict[str, str]


def open_sets(
    what: str,
    *,
    data: Path | None,
    descriptors: Path | None,
    only: str | None,
    bars: Bars,
) -> ComparedSets:
    """Opens what re-rankers are compared on.

    Args:
      what: a config with its options; the folder of an index, or a file of
        descriptors, whose labelled images query each other.
      data: the folder of the config's data; of a config that trains on a graph, what
        `jaxsim train` takes.
      descriptors: a file of descriptors of the config's images; None makes them.
      only: name of the set to keep; None keeps all.
      bars: shows progress.

    Raises:
      InputError: something is missing or does not fit, or there are no labels.
    """
    path = Path(what).expanduser()
    # Options of a config may end as a file of descriptors does.
    is_config = what.partition(":")[0].endswith(".py")
    if not is_config and is_descriptor_file(path):
        _refuse(data, descriptors, "a file of descriptors")
        found = _of_file(path)
    elif is_index(path):
        _refuse(data, descriptors, "an index")
        found = _of_index(path)
    elif data is None:
        raise InputError(
            f"'{what}' is no index and no file of descriptors; for a config give "
            "--data DIR, the folder of its data, too"
        )
    else:
        found = _of_config(what, data, descriptors, only, bars)
    return found if only is None else _only(found, only)


def _refuse(data: Path | None, descriptors: Path | None, what: str) -> None:
    if data is not None or descriptors is not None:
        raise InputError(
            f"--data and --descriptors belong to a config; {what} has both in it. "
            "Leave them away"
        )


def _only(found: ComparedSets, name: str) -> ComparedSets:
    kept = [data for data in found.sets if data.name == name]
    if not kept:
        names = ", ".join(data.name for data in found.sets)
        raise InputError(f"--only {name}: there is no such set; there are {names}")
    return ComparedSets(
        sets=kept,
        protocol=found.protocol,
        embedding_of=found.embedding_of,
        about=found.about,
    )


def _by_name(file: DescriptorFile, source: str) -> Callable:
    rows = {name: row for row, name in enumerate(file.names)}

    def embedding_of(records: Sequence[Record]) -> Embedding:
        found = [rows.get(stored_name(record.name)) for record in records]
        known = [row for row in found if row is not None]
        if len(known) < len(found):
            missing = records[found.index(None)].name
            raise InputError(
                f"{len(found) - len(known)} of {len(found)} images have no descriptor "
                f"in '{source}', such as '{missing}'. Make it by 'jaxsim embed' of the "
                "same folder, or choose one set by --only"
            )
        vectors, everyone = file.vectors[known], np.ones(len(known), bool)
        return Embedding(vectors=vectors, found=everyone, rejects=())

    return embedding_of


def _of_file(path: Path) -> ComparedSets:
    file = read_descriptors(path)
    return ComparedSets(
        sets=[RetrievalSet(name="file", database=records_of(file))],
        protocol=SameLabel(),
        embedding_of=_by_name(file, str(path)),
        about={"source": str(path), "fingerprint": file.fingerprint},
    )


def _of_index(path: Path) -> ComparedSets:
    records, file = images_of_index(IndexStore.open(path))
    return ComparedSets(
        sets=[RetrievalSet(name="index", database=records)],
        protocol=SameLabel(),
        embedding_of=_by_name(file, str(path)),
        about={"source": str(path), "fingerprint": file.fingerprint},
    )


def _of_config(
    what: str, data: Path, descriptors: Path | None, only: str | None, bars: Bars
) -> ComparedSets:
    config = load_config(what)
    if fdl.get_callable(config) is GraphExperiment:
        if config.published or is_index(data) or is_descriptor_file(data):
            return _of_graph(what, config, data, descriptors, bars)
        if config.descriptors:
            descriptors = descriptors or Path(config.descriptors)
            config.descriptors = None
    config = retrieval_config(config)
    experiment = construct(config)
    sets = experiment.data(data)
    if not sets:
        raise InputError(f"'{data}' has nothing to measure")
    about = {"source": str(data), "config": what}
    if descriptors is not None:
        file = read_descriptors(descriptors)
        about |= {"descriptors": str(descriptors), "fingerprint": file.fingerprint}
        found = _by_name(file, str(descriptors))
        return ComparedSets(
            sets=sets, protocol=experiment.protocol, embedding_of=found, about=about
        )
    fit = experiment.fit_data if experiment.model.fits_whitening else None
    model = build_model(config.model, fit(data) if fit else None, bars=bars)
    if model.comparison != "cosine":
        raise InputError(
            "re-ranking needs descriptors that are unit vectors, and this model's are "
            "compared by Euclidean distance"
        )
    kept = [part for part in sets if only in (None, part.name)] or sets
    collection = Collection(kept)
    with bars("embed", len(collection.records)) as progress:
        embedding = Embedder(model).embed(collection.records, progress)
    return ComparedSets(
        sets=kept,
        protocol=experiment.protocol,
        embedding_of=lambda records: collection.part(embedding, records),
        about=about | {"fingerprint": model.fingerprint},
    )


def _of_graph(
    what: str, config: fdl.Config, data: Path, descriptors: Path | None, bars: Bars
) -> ComparedSets:
    """Takes the descriptors that training on their graph would take."""
    if descriptors is not None:
        raise InputError(
            f"--descriptors {descriptors}: '{data}' and the config have the "
            "descriptors already. Leave it away"
        )
    # They are there: nothing is made, and no folder is needed to keep it.
    images = graph_images(config, data, data, bars)
    if not images.sets:
        raise InputError(
            f"'{data}' has nothing to measure: no two images share a label, or the "
            "config has no measure"
        )
    return ComparedSets(
        sets=images.sets,
        protocol=construct(config.measure).protocol,
        embedding_of=images.of,
        about={
            "source": str(data),
            "config": what,
            "fingerprint": images.descriptors.fingerprint,
        },
    )
