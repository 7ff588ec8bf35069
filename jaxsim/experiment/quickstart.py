"""The whole job once, small: data, training, an index, numbers."""

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import fiddle as fdl

from jaxsim.core.progress import Bars, no_bars
from jaxsim.data.augment import Augmentation
from jaxsim.data.datasets import photo_views
from jaxsim.data.samplers import PK
from jaxsim.data.sources import open_source
from jaxsim.evaluation.protocols.same_label import SameLabel
from jaxsim.experiment.descriptors import descriptor_config
from jaxsim.experiment.indexing import index_images
from jaxsim.experiment.train import RunResult, train
from jaxsim.experiment.training_experiment import RetrievalMeasure, TrainingExperiment
from jaxsim.pipeline.model import ImageModel
from jaxsim.training.log import Listener
from jaxsim.training.loop import Every
from jaxsim.training.objectives.criteria import TripletCriterion
from jaxsim.training.objectives.descriptor import DescriptorObjective
from jaxsim.training.optim import adam
from jaxsim.training.schedules import cosine

STEPS = 40
SIZE_PX = 192


def training_config(
    *, steps: int = STEPS, size_px: int = SIZE_PX
) -> fdl.Config[TrainingExperiment]:
    """Returns the training of the quickstart, about two minutes on two cores.

    Whitened R-MAC, fine-tuned by batch-hard triplets on the training photographs of
    photo_views and measured on the test photographs, which show none of their scenes.

    Args:
      steps: updates of 8 instances x 4 views.
      size_px: longest side of the images.
    """
    model = descriptor_config(pooling="rmac", whiten="regions", size_px=size_px)
    return fdl.Config(
        TrainingExperiment,
        model=model,
        objective=fdl.Partial(
            DescriptorObjective, criterion=fdl.Config(TripletCriterion, margin=0.2)
        ),
        data=fdl.Partial(photo_views.records, split="train"),
        sampler=fdl.Partial(PK, num_labels=8, per_label=4),
        # The views are augmented already.
        transform=fdl.Config(
            Augmentation,
            preprocessing=model.preprocessing,
            area=(0.7, 1.0),
            blur=0.0,
            jpeg=0.0,
        ),
        optimiser=fdl.Partial(adam),
        learning_rate=fdl.Config(cosine, 1e-4, steps=steps),
        steps=steps,
        measure=fdl.Config(
            RetrievalMeasure,
            data=fdl.Partial(photo_views.load),
            protocol=fdl.Config(SameLabel),
        ),
        every=fdl.Config(Every, evaluate=0, checkpoint=20),
    )


def quickstart(
    out: Path, *, listeners: Sequence[Listener] = (), bars: Bars = no_bars
) -> RunResult:
    """Makes photo_views, trains on it, and indexes its test images.

    Args:
      out: folder that gets data/, run/ and index/; what is there already is used again,
        and an interrupted run goes on.
      listeners: told of every step of the training.
      bars: shows progress of everything else.

    Returns:
      The run, with what was measured before and after training.

    Raises:
      InputError: the folder cannot be written, or holds something else.
    """
    data = out / "data"
    result = train(training_config(), data, out / "run", listeners=listeners, bars=bars)
    if result.stopped_by is None:
        model = cast(ImageModel, result.model)
        index_views(out / "index", photo_views.prepare(data), model, bars=bars)
    return result


def index_views(
    index: Path, folder: Path, model: ImageModel, *, bars: Bars = no_bars
) -> None:
    """Indexes the test images of photo_views so that a search can show them.

    Args:
      index: folder of the index.
      folder: of the prepared data set.
      model: describes the images.
      bars: shows the progress.
    """
    source = f"tfds:{folder}:test"
    # Names are those by which a search opens the source again.
    records, _ = open_source(source)
    index_images(index, records, source=source, model=model, bars=bars)
