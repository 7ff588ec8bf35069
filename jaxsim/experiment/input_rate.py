"""How fast the training images of a config come, with no device to wait for."""

from pathlib import Path
from time import perf_counter
from typing import NamedTuple

import fiddle as fdl

from jaxsim.core.environment import usable_cores
from jaxsim.core.errors import InputError
from jaxsim.data.training import TrainingBatches
from jaxsim.experiment.construct import construct
from jaxsim.experiment.training_experiment import TrainingExperiment


class InputRate(NamedTuple):
    """What was measured.

    Attributes:
      images_per_s: read, decoded, augmented and put into batches.
      slowest_batch_s: the longest wait for one batch.
      threads: that worked.
    """

    images_per_s: float
    slowest_batch_s: float
    threads: int


def input_rate(
    config: fdl.Config, root: Path, *, batches: int, num_threads: int | None = None
) -> InputRate:
    """Times batches after a first one, in which threads start.

    Args:
      config: of a training on images.
      root: folder of its data.
      batches: to be timed, >= 1.
      num_threads: that load; all processors if None.

    Raises:
      InputError: the config or the data cannot be used.
    """
    if fdl.get_callable(config) is not TrainingExperiment:
        raise InputError(
            "the config describes no training on images; measure one such as "
            "configs/quickstart.py"
        )
    records = construct(config.data)(root)
    labels = [record.label for record in records]
    sampler = construct(config.sampler)(labels, seed=0)
    threads = num_threads or usable_cores()
    data = TrainingBatches(
        records, labels, sampler, construct(config.transform), num_threads=threads
    )
    times = [perf_counter()]
    for _ in data.iterate(0, batches + 1):
        times.append(perf_counter())
    waits = [b - a for a, b in zip(times[1:], times[2:], strict=False)]
    return InputRate(
        batches * data.batch_size / (times[-1] - times[1]), max(waits), threads
    )
