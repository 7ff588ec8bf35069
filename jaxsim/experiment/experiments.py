"""The kinds of experiment a config file can describe."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from jaxsim.data.records import Record, RetrievalSet
from jaxsim.evaluation.protocols.base import Protocol
from jaxsim.experiment.model_spec import ModelSpec


@dataclass(frozen=True, kw_only=True)
class RetrievalExperiment:
    """A descriptor measured by retrieval.

    Attributes:
      model: what describes the images.
      data: from what --data names, mostly a folder, to the sets that are measured.
      protocol: which results are right, and what is measured.
      fit_data: from the same place to the images that whitening is fitted on.
    """

    model: ModelSpec
    data: Callable[[Path], list[RetrievalSet]]
    protocol: Protocol
    fit_data: Callable[[Path], Sequence[Record]] | None = None


@dataclass(frozen=True, kw_only=True)
class ClassificationExperiment:
    """Imported weights checked by classifying images.

    Attributes:
      model: whose network is an `ImageClassifier`.
      data: from the folder given by --data to images labelled with class indices.
      name: prefix of the metric names.
    """

    model: ModelSpec
    data: Callable[[Path], Sequence[Record]]
    name: str
