"""Runs a training experiment in a folder, or goes on with it."""

import dataclasses
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import fiddle as fdl
import jax
import numpy as np

from jaxsim.checkpoint.manager import Checkpoints
from jaxsim.core.environment import versions
from jaxsim.core.errors import InputError
from jaxsim.core.progress import Bars, no_bars
from jaxsim.data.records import Record
from jaxsim.data.samplers import size_options
from jaxsim.data.training import TrainingBatches
from jaxsim.experiment.construct import construct
from jaxsim.experiment.epochs import in_steps
from jaxsim.experiment.graph_experiment import GraphExperiment
from jaxsim.experiment.graph_run import GraphRun
from jaxsim.experiment.indexing import fit_sample
from jaxsim.experiment.measure import (
    Measurer,
    load_embedding,
    require_readable,
    save_embedding,
)
from jaxsim.experiment.recipe import build_recipe
from jaxsim.experiment.run import MODEL_FOLDER, Run, RunResult, carry_out, restored
from jaxsim.experiment.serialisation import config_to_json
from jaxsim.experiment.similarities import (
    SIMILARITY,
    open_similarity,
    put_similarity,
    similarity_model,
)
from jaxsim.experiment.similarity_experiment import SimilarityExperiment
from jaxsim.experiment.similarity_run import SimilarityRun
from jaxsim.experiment.training_experiment import Keep, TrainingExperiment
from jaxsim.experiment.training_model import (
    example_batch,
    network_variables,
    objective_variables,
    trainable_variables,
    usable_model,
)
from jaxsim.parallel.mesh import make_mesh
from jaxsim.parallel.multihost import gathered, is_first_process, json_of_all
from jaxsim.parallel.precision import compute_dtype
from jaxsim.pipeline.embed import Embedder
from jaxsim.pipeline.embed_together import embed_together
from jaxsim.pipeline.model import ImageModel
from jaxsim.training.log import Listener
from jaxsim.training.loop import Evaluation, Loop
from jaxsim.training.mining import PoolMining
from jaxsim.training.optim import merge, split
from jaxsim.training.state import TrainState
from jaxsim.training.step import check_batch_size, compile_step, state_layout

DATA_FOLDER = "data"
BEFORE, AFTER = "before.npz", "after.npz"


def train(
    config: fdl.Config,
    root: Path,
    out: Path,
    *,
    listeners: Sequence[Listener] = (),
    bars: Bars = no_bars,
) -> RunResult:
    """Trains what a config describes, going on from the folder's last checkpoint.

    The folder gets config.json, metrics.jsonl, checkpoints/, model/ (which `jaxsim
    index --model` takes), and the descriptors of what is measured, before.npz and
    after.npz.

    Args:
      config: of a `TrainingExperiment`.
      root: folder of the data.
      out: folder of the run.
      listeners: told of every step and evaluation, beside metrics.jsonl.
      bars: shows progress of everything else.

    Raises:
      InputError: the data, the config or the folder cannot be used, or the loss broke.
      WeightsError: the weights cannot be read or do not fit.
    """
    kinds: dict[object, Callable[..., Run]] = {
        TrainingExperiment: _ImageRun,
        SimilarityExperiment: SimilarityRun,
        GraphExperiment: GraphRun,
    }
    kind = fdl.get_callable(config)
    if kind not in kinds:
        raise InputError(
            f"the config describes a {kind.__name__}; `jaxsim train` needs a "
            "TrainingExperiment, such as that of configs/quickstart.py"
        )
    run = kinds[kind](config, root, out, bars)
    return carry_out(run, config, out, listeners)


def _training_images(config: fdl.Config, root: Path, out: Path) -> Sequence[Record]:
    """Returns the images; says that --data is missing if there is no place to look."""
    try:
        return construct(config.data)(root)
    except InputError as error:
        if root == out / DATA_FOLDER and not root.exists():
            raise InputError(
                f"the config needs the folder of its data: give --data DIR ({error})"
            ) from error
        raise


class _ImageRun:
    """A network trained on images."""

    def __init__(self, config: fdl.Config, root: Path, out: Path, bars: Bars):
        self.config, self.out, self.bars = config, out, bars
        self.records = _training_images(config, root, out)
        labels = [record.label for record in self.records]
        sampler = construct(config.sampler)(labels, seed=config.seed)
        self.experiment = experiment = construct(
            in_steps(config, steps_per_epoch=sampler.steps_per_epoch)
        )
        self.mesh = make_mesh(shape=experiment.mesh)
        self.data = TrainingBatches(
            self.records,
            labels,
            sampler,
            experiment.transform,
            seed=experiment.seed,
            process_index=jax.process_index(),
            process_count=jax.process_count(),
        )
        self.recipe = build_recipe(
            experiment, num_labels=len(set(labels) - {None}), dtype=compute_dtype()
        )
        self.objective = self.recipe.objective
        self.mining = self._mining()
        check_batch_size(
            self.data.batch_size,
            self.recipe,
            self.mesh.size,
            chosen_by=size_options(sampler),
        )
        measure = experiment.measure
        sets = measure.data(root) if measure else []
        self.measurer = None
        if measure and sets:
            self.measurer = Measurer(
                sets, measure.protocol, source=str(root), bars=bars
            )
        elif experiment.keep == "best":
            raise InputError(
                "keep='best' needs something to measure, and there is nothing: set "
                "`measure`, or give data with images to measure on, or set keep='last'"
            )

    def _mining(self) -> PoolMining | None:
        if self.experiment.mining is None:
            return None
        if self.data.batch_size % 3:
            raise InputError(
                "mining draws triplets, and the sampler's batch of "
                f"{self.data.batch_size} images is no multiple of 3. Use a sampler "
                "whose batches are, such as RandomTriplets"
            )
        embedder: Embedder | None = None

        def describe(state: TrainState, ids: np.ndarray) -> np.ndarray:
            nonlocal embedder
            # Hard for the network as it is, not for its average.
            model = self.model(state.replace(average=None))
            embedder = dataclasses.replace(embedder or Embedder(model), model=model)
            chosen = [self.records[i] for i in ids.tolist()]
            embedding = embed_together(
                embedder, chosen, what="describe the pool", bars=self.bars
            )
            require_readable(embedding.rejects)
            return embedding.vectors

        return self.experiment.mining(
            labels=self.data.label_codes,
            describe=describe,
            triplets=self.data.batch_size // 3,
            mesh=self.mesh,
            seed=self.experiment.seed,
        )

    def restore(self, checkpoints: Checkpoints, step: int | None) -> TrainState:
        """Returns the state of a checkpoint, or the first one of a run."""
        return restored(
            checkpoints,
            step,
            self.mesh,
            first=self._first_state,
            layout=self._layout,
            shapes=self._shapes,
        )

    @cached_property
    def _shapes(self) -> TrainState:
        return jax.eval_shape(lambda: self._state(self._template()))

    @cached_property
    def _layout(self) -> TrainState:
        whole = self.experiment.mesh.whole
        return state_layout(self._shapes, self.mesh, whole=whole)

    @property
    def steps(self) -> int:
        """Updates in all."""
        return self.experiment.steps

    @property
    def keep(self) -> Keep:
        """Which model is kept."""
        return self.experiment.keep

    def _first_state(self) -> TrainState:
        network = trainable_variables(
            self.config.model,
            fit_sample(self.records),
            seed=self.experiment.seed,
            bars=self.bars,
        )
        variables = objective_variables(
            self.objective,
            network,
            seed=self.experiment.seed,
            size_px=self.experiment.model.preprocessing.size_px,
        )
        if self.experiment.similarity is not None:
            known = open_similarity(Path(self.experiment.similarity))
            put_similarity(variables["params"], self.objective, known)
        return self._state(variables)

    def _template(self) -> dict:
        key = jax.random.key(0)
        batch = example_batch(self.experiment.model.preprocessing.size_px)
        return dict(self.objective.init(key, batch, key=key))

    def _state(self, variables: dict) -> TrainState:
        return self.recipe.start(variables, self.mining and self.mining.empty())

    def collections(self) -> dict[str, Sequence[Record]]:
        """Returns the images that the run must find again when it goes on."""
        measured = self.measurer.records if self.measurer else []
        return {"trained on": self.records, "measured on": measured}

    def inputs(self) -> dict[str, np.ndarray]:
        """Returns nothing: images are all that it is made of."""
        return {}

    def loop(self, checkpoints: Checkpoints, listeners: Sequence[Listener]) -> Loop:
        """Returns what `fit` needs besides the state."""
        return Loop(
            step=compile_step(self.recipe, self.mesh, self._layout),
            mesh=self.mesh,
            data=self.data,
            records=self.records,
            steps=self.experiment.steps,
            checkpoints=checkpoints,
            extra={"config": config_to_json(self.config), "versions": versions()},
            every=self.experiment.every,
            evaluate=self._evaluation(),
            mining=self.mining,
            listeners=listeners,
        )

    def model(self, state: TrainState) -> ImageModel:
        """Returns the model as it is, of averaged parameters if they are kept."""
        params = state.params
        if state.average is not None:
            _, frozen = split(params, self.recipe.groups)
            params = merge(state.average, frozen)
        variables = network_variables(params, state.collections)
        return usable_model(self.config.model, gathered(variables, self.mesh))

    def _evaluation(self) -> Callable[[TrainState], Evaluation] | None:
        """Returns what measures a state, None if nothing is measured."""
        measurer = self.measurer
        if measurer is None:
            return None

        def evaluate(state: TrainState) -> Evaluation:
            model = self.model(state)
            embedding = measurer.embed(model)
            metrics = measurer.result(model, embedding).metrics
            at_end = int(state.step) == self.experiment.steps
            if at_end and self.experiment.keep == "last" and is_first_process():
                save_embedding(self.out / AFTER, embedding)
            return Evaluation(metrics, self._main_of(metrics))

        return evaluate

    def _main_of(self, metrics: dict[str, float]) -> float:
        """Returns the number by which the best checkpoint is chosen."""
        wanted = self.experiment.measure and self.experiment.measure.main
        main = wanted or next(iter(metrics))
        if main not in metrics:
            raise InputError(
                f"main='{main}' is not measured; there are {', '.join(metrics)}"
            )
        return metrics[main]

    def describe_before(self, state: TrainState) -> None:
        """Keeps what is measured before the first update, unless it is there.

        Raises:
          InputError: the number to choose by is not measured, which would otherwise
            show after long work.
        """
        if self.measurer is None or self._is_there(BEFORE):
            return
        model = self.model(self._first_state() if int(state.step) else state)
        embedding = self.measurer.embed(model)
        self._main_of(self.measurer.result(model, embedding).metrics)
        if is_first_process():
            save_embedding(self.out / BEFORE, embedding)

    def _is_there(self, name: str) -> bool:
        """Whether the first process sees a file: so all do alike what follows."""
        return json_of_all((self.out / name).exists())[0]

    def finish(
        self,
        state: TrainState,
        steps: int,
        *,
        resumed_from: int,
        stopped_by: str | None,
    ) -> RunResult:
        """Keeps the model, and compares it with what it was."""
        model = self.model(state)
        if is_first_process():
            model.save(self.out / MODEL_FOLDER)
            if SIMILARITY in state.params:
                trained = similarity_model(
                    self.config.objective.similarity,
                    {"params": jax.device_get(state.params[SIMILARITY])},
                    described_by=model.fingerprint,
                )
                trained.save(self.out / SIMILARITY)
        result = RunResult(
            model=model,
            steps=steps,
            resumed_from=resumed_from,
            kept_step=int(state.step),
            images=len(self.records),
            stopped_by=stopped_by,
        )
        if self.measurer is None or stopped_by:
            return result
        self.describe_before(state)
        if not self._is_there(AFTER):
            embedding = self.measurer.embed(model)
            if is_first_process():
                save_embedding(self.out / AFTER, embedding)
        if not is_first_process():
            return result
        before, after = (load_embedding(self.out / name) for name in (BEFORE, AFTER))
        return result._replace(
            before=self.measurer.result(model, before),
            after=self.measurer.result(model, after),
            sets=self.measurer.sets,
            embedding_map=self.measurer.map(before, after, seed=self.experiment.seed),
        )
