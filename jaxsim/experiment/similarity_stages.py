"""The stages of learned similarity, one run after the other in one folder."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import fiddle as fdl

from jaxsim.core.progress import Bars
from jaxsim.experiment.run import RunResult, carry_out
from jaxsim.experiment.run_folder import claim_folder
from jaxsim.experiment.similarity_experiment import STAGES, SimilarityStages
from jaxsim.experiment.similarity_run import SimilarityRun
from jaxsim.pipeline.similarity import SimilarityModel
from jaxsim.training.log import Listener

Watch = Callable[[Path], AbstractContextManager[list[Listener]]]


def has_stages(config: fdl.Config) -> bool:
    """Returns whether a config describes stages instead of one run."""
    return fdl.get_callable(config) is SimilarityStages


def train_stages(
    config: fdl.Config[SimilarityStages],
    root: Path,
    out: Path,
    *,
    watch: Watch,
    bars: Bars,
) -> dict[str, RunResult]:
    """Trains the stages, each from what the one before has learned.

    The folder gets a run for each stage, which is finished before the next begins, and
    what they share: descriptors.npz, and descriptor/ with the model that made them
    unless a file gave them. Called again it goes on where it was interrupted.

    Args:
      config: of the stages.
      root: folder of the images, or a file of descriptors.
      out: folder of the runs.
      watch: opens the listeners of the run in a folder.
      bars: shows progress.

    Returns:
      The result of each stage that was begun, by its name; the last one may have been
      stopped by a signal.

    Raises:
      InputError: the data, the config or the folder cannot be used, or the loss broke.
    """
    results: dict[str, RunResult] = {}
    start: SimilarityModel | None = None
    for stage in STAGES:
        part = getattr(config, stage)
        run = SimilarityRun(part, root, out / stage, bars, folder=out, start=start)
        if stage == STAGES[0]:
            # Before anything is described.
            claim_folder(out, config, run.collections())
        with watch(out / stage) as listeners:
            results[stage] = carry_out(run, part, out / stage, listeners)
        if results[stage].stopped_by:
            break
        start = run.finished
    return results
