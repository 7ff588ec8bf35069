"""What all runs share: a folder, checkpoints, the one loop, and a result."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol, runtime_checkable

import fiddle as fdl
import jax
import numpy as np
from jax.sharding import Mesh

from jaxsim.checkpoint.manager import Checkpoints
from jaxsim.data.records import Record, RetrievalSet
from jaxsim.evaluation.result import EvaluationResult
from jaxsim.experiment.run_folder import claim_folder, claim_inputs
from jaxsim.experiment.training_experiment import Keep
from jaxsim.parallel.multihost import is_first_process, put_everywhere
from jaxsim.pipeline.embedding_map import EmbeddingMap
from jaxsim.pipeline.graph_model import GraphModel
from jaxsim.pipeline.model import ImageModel
from jaxsim.pipeline.pair_scores import PairScores
from jaxsim.pipeline.similarity import SimilarityModel
from jaxsim.training.log import Listener, MetricsFile
from jaxsim.training.loop import Loop, fit
from jaxsim.training.state import TrainState

METRICS_FILE = "metrics.jsonl"
MODEL_FOLDER = "model"
CHECKPOINTS_FOLDER = "checkpoints"


class RunResult(NamedTuple):
    """What a run left behind.

    Attributes:
      model: the trained model, which is also in the run's folder.
      steps: updates done in all.
      resumed_from: the step this call went on from; `steps` if all were done before.
      kept_step: the step whose model is kept.
      images: number of training images.
      stopped_by: the signal that ended it early; None at the end.
      before: measured before the first update, or of a similarity the cosine; None if
        nothing is measured, or the run was stopped early.
      after: measured at the end; likewise.
      sets: what was measured.
      embedding_map: the measured images, before and after, in a plane.
      pair_scores: of a similarity, pairs of each set that was measured.
      others: of a graph, the metrics of other epochs than the one kept, by name.
      options: of a graph, those of its config that tell the most, by their names.
    """

    model: ImageModel | SimilarityModel | GraphModel
    steps: int
    resumed_from: int
    kept_step: int
    images: int
    stopped_by: str | None
    before: EvaluationResult | None = None
    after: EvaluationResult | None = None
    sets: Sequence[RetrievalSet] = ()
    embedding_map: EmbeddingMap | None = None
    pair_scores: dict[str, PairScores] | None = None
    others: dict[str, dict[str, float]] | None = None
    options: dict[str, str] | None = None


@runtime_checkable
class Run(Protocol):
    """The parts of a run, built once from its config."""

    @property
    def steps(self) -> int:
        """Updates in all."""
        ...

    @property
    def keep(self) -> Keep:
        """Which model is kept."""
        ...

    def collections(self) -> dict[str, Sequence[Record]]:
        """Returns the images that the run must find again when it goes on."""
        ...

    def inputs(self) -> dict[str, np.ndarray]:
        """Returns what else it must find again, such as descriptors, by what it is."""
        ...

    def restore(self, checkpoints: Checkpoints, step: int | None) -> TrainState:
        """Returns the state of a checkpoint, or the first one of a run."""
        ...

    def describe_before(self, state: TrainState) -> None:
        """Keeps what is measured before the first update."""
        ...

    def loop(self, checkpoints: Checkpoints, listeners: Sequence[Listener]) -> Loop:
        """Returns what `fit` needs besides the state."""
        ...

    def finish(
        self,
        state: TrainState,
        steps: int,
        *,
        resumed_from: int,
        stopped_by: str | None,
    ) -> RunResult:
        """Keeps the model, and measures it."""
        ...


def carry_out(
    run: Run, config: fdl.Config, out: Path, listeners: Sequence[Listener]
) -> RunResult:
    """Carries out a run, or what is left of it.

    Args:
      run: of the config.
      config: what is stored with it.
      out: folder of the run.
      listeners: told of every step and evaluation, beside metrics.jsonl.

    Raises:
      InputError: the folder is of another run or of other inputs, or the loss broke.
    """
    claim_folder(out, config, run.collections())
    with Checkpoints(out / CHECKPOINTS_FOLDER) as checkpoints:
        # Now, because two runs would spoil metrics.jsonl before the first checkpoint.
        checkpoints.claim()
        claim_inputs(out, run.inputs())
        state = run.restore(checkpoints, checkpoints.latest())
        step = int(state.step)
        stopped_by = None
        if step < run.steps:
            run.describe_before(state)
            with MetricsFile(
                out / METRICS_FILE, step=step, write=is_first_process()
            ) as file:
                loop = run.loop(checkpoints, (file, *listeners))
                state, stopped_by = fit(loop, state)
        steps = int(state.step)
        if run.keep == "best" and not stopped_by:
            state = run.restore(checkpoints, checkpoints.best() or steps)
    return run.finish(state, steps, resumed_from=step, stopped_by=stopped_by)


def restored(
    checkpoints: Checkpoints,
    step: int | None,
    mesh: Mesh,
    *,
    first: Callable[[], TrainState],
    layout: TrainState,
    shapes: TrainState,
) -> TrainState:
    """Returns the state of a checkpoint, or the first one, on all devices.

    Args:
      checkpoints: of the run.
      step: of the checkpoint; None for the first state.
      mesh: the devices.
      first: makes the first state.
      layout: where its parts lie.
      shapes: of its arrays.
    """
    if step is None:
        return put_everywhere(first(), mesh, layout)
    like = jax.tree.map(
        lambda x, place: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place),
        shapes,
        layout,
    )
    return checkpoints.restore(step, like)[0]
