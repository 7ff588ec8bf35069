"""Guided similarity separation: what its configs are made of."""

from collections.abc import Callable, Sequence
from pathlib import Path

import fiddle as fdl

from jaxsim.data.ground_truth import read_ground_truth
from jaxsim.data.published import PublishedDescriptors
from jaxsim.data.records import Record, RetrievalSet
from jaxsim.evaluation.protocols.base import Protocol
from jaxsim.evaluation.protocols.instre import Instre
from jaxsim.evaluation.protocols.revisited import Revisited
from jaxsim.evaluation.protocols.same_label import SameLabel
from jaxsim.experiment.descriptors import descriptor_config
from jaxsim.experiment.graph_experiment import GraphExperiment, GraphKeep
from jaxsim.experiment.training_experiment import RetrievalMeasure
from jaxsim.nn.graph import GraphNetwork
from jaxsim.training.loop import Every
from jaxsim.training.optim import adam

EVERY = 10


def index_config(
    *,
    data: fdl.Partial[Callable[[Path], Sequence[Record]]],
    fit_data: fdl.Partial[Callable[[Path], Sequence[Record]]] | None,
    measured: fdl.Partial[Callable[[Path], list[RetrievalSet]]],
    dim: int,
    size_px: int,
    descriptors: str | None,
    layers: int,
    gamma: float,
    neighbours: int,
    query_neighbours: int,
    graph: str,
    queries: str,
    percent: float,
    rate: float,
    epochs: int,
    keep: GraphKeep,
    seed: int,
    protocol: type[Protocol] = SameLabel,
) -> fdl.Config[GraphExperiment]:
    """Returns the experiment on R-MAC with whitened regions.

    Args:
      data: the images of the index.
      fit_data: the images that whitening is fitted on; None takes the index.
      measured: the sets to measure.
      dim: of the descriptors.
      size_px: longest side of the images.
      descriptors: a file that has the descriptors.
      layers: see `GraphNetwork`, as `gamma`.
      gamma: see there.
      neighbours: see `GraphExperiment`, as all that follow.
      query_neighbours: see there.
      graph: see there.
      queries: see there.
      percent: see there.
      rate: the learning rate.
      epochs: in all.
      keep: see there.
      seed: see there.
      protocol: of the sets.
    """
    config = _config(
        dim=dim,
        layers=layers,
        gamma=gamma,
        neighbours=neighbours,
        query_neighbours=query_neighbours,
        graph=graph,
        queries=queries,
        percent=percent,
        rate=rate,
        epochs=epochs,
        keep=keep,
        seed=seed,
    )
    config.data, config.fit_data = data, fit_data
    config.descriptor = descriptor_config(
        pooling="rmac", whiten="regions", dim=dim, size_px=size_px
    )
    config.descriptors = descriptors
    config.measure = fdl.Config(
        RetrievalMeasure, data=measured, protocol=fdl.Config(protocol)
    )
    return config


def published_config(
    *,
    truth: str,
    graded: bool,
    index: str,
    queries: str,
    dim: int,
    neighbours: int,
    query_neighbours: int,
    graph: str,
    query_graph: str,
    epochs: int,
    keep: GraphKeep,
    seed: int,
) -> fdl.Config[GraphExperiment]:
    """Returns the experiment on descriptors of a published set.

    Args:
      truth: file of the ground truth.
      graded: see `PublishedDescriptors`, as `index` and `queries`.
      index: see there.
      queries: see there.
      dim: of the descriptors.
      neighbours: see `GraphExperiment`, as all that follow.
      query_neighbours: see there.
      graph: see there.
      query_graph: see `queries` there.
      epochs: in all.
      keep: see there.
      seed: see there.
    """
    config = _config(
        dim=dim,
        layers=2,
        gamma=0.3,
        neighbours=neighbours,
        query_neighbours=query_neighbours,
        graph=graph,
        queries=query_graph,
        percent=98.0,
        rate=1e-4,
        epochs=epochs,
        keep=keep,
        seed=seed,
    )
    published = fdl.Config(
        PublishedDescriptors,
        truth=fdl.Config(read_ground_truth, truth),
        graded=graded,
        index=index,
        queries=queries,
    )
    config.data = fdl.Partial(_none)
    config.published = published
    config.measure = fdl.Config(
        RetrievalMeasure,
        data=fdl.Partial(_none),
        protocol=fdl.Config(Revisited if graded else Instre),
    )
    return config


def _none(root: Path) -> list:
    """Stands where images would be, which published descriptors do not need."""
    del root
    return []


def _config(
    *,
    dim: int,
    layers: int,
    gamma: float,
    neighbours: int,
    query_neighbours: int,
    graph: str,
    queries: str,
    percent: float,
    rate: float,
    epochs: int,
    keep: GraphKeep,
    seed: int,
) -> fdl.Config[GraphExperiment]:
    return fdl.Config(
        GraphExperiment,
        network=fdl.Config(GraphNetwork, dim=dim, layers=layers, gamma=gamma),
        neighbours=neighbours,
        query_neighbours=query_neighbours,
        graph=graph,
        queries=queries,
        percent=percent,
        optimiser=fdl.Partial(adam),
        learning_rate=rate,
        steps=epochs,
        every=fdl.Config(Every, evaluate=EVERY, checkpoint=0),
        keep=keep,
        seed=seed,
    )
