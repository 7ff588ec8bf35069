"""A run that trains a similarity of pairs of descriptors."""

from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

import fiddle as fdl
import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.checkpoint.manager import Checkpoints
from jaxsim.core.environment import device_name, versions
from jaxsim.core.errors import InputError
from jaxsim.core.progress import Bars
from jaxsim.data.label_groups import group_by_label
from jaxsim.data.pairs import DescriptorPairs, SyntheticPairs
from jaxsim.data.records import Record
from jaxsim.data.samplers import RandomPairs
from jaxsim.evaluation.protocols.base import queries_of
from jaxsim.evaluation.result import EvaluationResult
from jaxsim.experiment.construct import construct
from jaxsim.experiment.described import (
    described_images,
    without_missing,
)
from jaxsim.experiment.epochs import in_steps
from jaxsim.experiment.evaluate import judge
from jaxsim.experiment.run import MODEL_FOLDER, RunResult, restored
from jaxsim.experiment.serialisation import config_to_json
from jaxsim.experiment.similarities import (
    open_similarity,
    require_same_network,
    similarity_model,
)
from jaxsim.experiment.similarity_experiment import SimilarityExperiment
from jaxsim.experiment.stage_names import LEARNED, StageName
from jaxsim.experiment.training_experiment import Keep
from jaxsim.parallel.mesh import make_mesh
from jaxsim.parallel.multihost import is_first_process
from jaxsim.parallel.precision import compute_dtype
from jaxsim.pipeline.pair_scores import PairScores, sample_pairs
from jaxsim.pipeline.similarity import SimilarityModel
from jaxsim.training.hard_pairs import HardPairMining
from jaxsim.training.log import Listener
from jaxsim.training.loop import Evaluation, Loop
from jaxsim.training.objectives.similarity import SimilarityObjective
from jaxsim.training.optim import merge, split
from jaxsim.training.state import TrainState
from jaxsim.training.step import Recipe, check_batch_size, compile_step, state_layout

NETWORK = "network"
SCORED_AT_ONCE = 4096
MOST_MEASURED = 10_000
"""Images that a measured query is scored with; larger sets have a shortlist."""


class SimilarityRun:
    """The parts of a run, built once from its config.

    Args:
      config: of a `SimilarityExperiment`.
      root: folder of the images, or a file of descriptors.
      out: folder of the run.
      bars: shows progress.
      folder: where descriptors are kept; that of the run if None.
      start: the similarity to go on from, instead of the config's.

    Attributes:
      finished: the similarity, once it is trained.
    """

    def __init__(
        self,
        config: fdl.Config,
        root: Path,
        out: Path,
        bars: Bars,
        *,
        folder: Path | None = None,
        start: SimilarityModel | None = None,
    ):
        self.config, self.root, self.out, self.bars = config, root, out, bars
        self.mesh = make_mesh()
        self.images = described_images(config, root, folder or out, bars)
        # Checked before anything is described.
        epoch = -(-len(self.images.training) // config.pairs)
        self.experiment: SimilarityExperiment = construct(
            in_steps(config, steps_per_epoch=epoch)
        )
        experiment = self.experiment
        self.objective = SimilarityObjective(
            network=experiment.network.clone(dtype=compute_dtype()),
            delta=experiment.delta,
        )
        if experiment.delta is not None:
            RandomPairs([r.label for r in self.images.training], pairs=1)
        self.recipe = Recipe(
            objective=self.objective,
            optimiser=experiment.optimiser,
            learning_rate=experiment.learning_rate,
            clip_norm=experiment.clip_norm,
            average_decay=experiment.average_decay,
            seed=experiment.seed,
        )
        check_batch_size(
            experiment.pairs,
            self.recipe,
            self.mesh.size,
            chosen_by=f"pairs={experiment.pairs}",
        )
        if start is None and experiment.start is not None:
            start = open_similarity(Path(experiment.start))
        self.start = start
        if start is not None:
            require_same_network(start.network, experiment.network)
        if experiment.keep == "best" and not self.images.sets:
            raise InputError(
                "keep='best' needs something to measure, and there is nothing: set "
                "`measure`, or keep='last'"
            )
        self.finished: SimilarityModel | None = None
        self._last: tuple[int, EvaluationResult] | None = None

    @property
    def steps(self) -> int:
        """Updates in all."""
        return self.experiment.steps

    @property
    def keep(self) -> Keep:
        """Which model is kept."""
        return self.experiment.keep

    @cached_property
    def records(self) -> list[Record]:
        """The images to train on that have a descriptor."""
        return without_missing(self.images)

    @cached_property
    def _pairs(self) -> DescriptorPairs:
        """All pairs of training images.

        Raises:
          InputError: the descriptors have another dimension than the network, or no
            label has two images.
        """
        vectors = self.images.of(self.records).vectors
        self._require_dimension()
        labels = [record.label for record in self.records]
        return DescriptorPairs(
            vectors,
            group_by_label(labels).codes,
            self._random(labels),
            process_index=jax.process_index(),
            process_count=jax.process_count(),
        )

    def _require_dimension(self) -> None:
        found = self.images.descriptors.vectors.shape[1]
        if found != self.experiment.network.dim:
            raise InputError(
                f"the descriptors have {found} dimensions, and network.dim is "
                f"{self.experiment.network.dim}. Set dim={found}, or give descriptors "
                "of the same dimension"
            )

    def _random(self, labels: Sequence[str | None]) -> RandomPairs:
        experiment = self.experiment
        return RandomPairs(labels, pairs=experiment.pairs, seed=experiment.seed)

    @cached_property
    def mining(self) -> HardPairMining | None:
        """Looks for difficult pairs."""
        if self.experiment.mining is None:
            return None
        labels = [record.label for record in self.records]
        return self.experiment.mining(
            data=self._pairs,
            score=self._score,
            random=self._random(labels),
            labels=labels,
            seed=self.experiment.seed,
        )

    def _score(self, state: TrainState, rows: np.ndarray) -> np.ndarray:
        """Scores pairs by the network as it is, not by its average."""
        variables = {"params": state.params[NETWORK]}
        vectors, found = self._pairs.vectors, []
        with self.bars("look for difficult pairs", len(rows), "pairs") as progress:
            for start in range(0, len(rows), SCORED_AT_ONCE):
                first, second = rows[start : start + SCORED_AT_ONCE].T
                scores = self._apply(variables, vectors[first], vectors[second])
                found.append(np.asarray(scores))
                progress(len(first))
        return np.concatenate(found)

    @cached_property
    def _apply(self) -> Callable[..., jax.Array]:
        return jax.jit(self.objective.network.apply)

    def collections(self) -> dict[str, Sequence[Record]]:
        """Returns the images that the run must find again when it goes on."""
        measured = [
            record
            for data in self.images.sets
            for record in [*data.database, *(data.queries or ())]
        ]
        return {"trained on": self.images.training, "measured on": measured}

    def inputs(self) -> dict[str, np.ndarray]:
        """Returns the descriptors of these images."""
        return self.images.inputs(self.collections())

    def restore(self, checkpoints: Checkpoints, step: int | None) -> TrainState:
        """Returns the state of a checkpoint, or the first one of a run."""
        shapes = jax.eval_shape(self._drawn)
        return restored(
            checkpoints,
            step,
            self.mesh,
            first=self._first_state,
            layout=state_layout(shapes, self.mesh),
            shapes=shapes,
        )

    def _first_state(self) -> TrainState:
        self._require_dimension()
        if self.start is None:
            return self._drawn()
        params = jax.tree.map(jnp.asarray, self.start.variables["params"])
        return self._state({"params": {NETWORK: params}})

    def _drawn(self) -> TrainState:
        pair = jnp.zeros((1, self.experiment.network.dim))
        batch = {"queries": pair, "images": pair, "matching": jnp.zeros(1, bool)}
        key = jax.random.key(self.experiment.seed)
        return self._state(dict(self.objective.init(key, batch, key=key)))

    def _state(self, variables: dict) -> TrainState:
        return self.recipe.start(variables, self.mining and self.mining.empty())

    def loop(self, checkpoints: Checkpoints, listeners: Sequence[Listener]) -> Loop:
        """Returns what `fit` needs besides the state."""
        experiment = self.experiment
        if experiment.delta is None:
            data = SyntheticPairs(
                experiment.network.dim,
                pairs=experiment.pairs,
                seed=experiment.seed,
                process_index=jax.process_index(),
                process_count=jax.process_count(),
            )
            records = data.records
        else:
            data, records = self._pairs, self.records
        return Loop(
            step=compile_step(self.recipe, self.mesh),
            mesh=self.mesh,
            data=data,
            records=records,
            steps=experiment.steps,
            checkpoints=checkpoints,
            extra={"config": config_to_json(self.config), "versions": versions()},
            every=experiment.every,
            evaluate=self._evaluate if self.images.sets else None,
            mining=self.mining,
            listeners=listeners,
        )

    def model(self, state: TrainState) -> SimilarityModel:
        """Returns the similarity as it is, of averaged parameters if they are kept."""
        params = state.params
        if state.average is not None:
            params = merge(state.average, split(params, self.recipe.groups)[1])
        return similarity_model(
            self.config.network,
            {"params": jax.device_get(params[NETWORK])},
            described_by=self.images.descriptors.fingerprint,
        )

    def _evaluate(self, state: TrainState) -> Evaluation:
        result = self._result(self.model(state))
        self._last = int(state.step), result
        measure = self.experiment.measure
        main = (measure and measure.main) or next(iter(result.metrics))
        if main not in result.metrics:
            raise InputError(
                f"main='{main}' is not measured; there are {', '.join(result.metrics)}"
            )
        return Evaluation(result.metrics, result.metrics[main])

    def _result(self, model: SimilarityModel | None) -> EvaluationResult:
        """Measures a similarity, or the cosine if there is none."""
        measure, similarity = self.experiment.measure, None
        assert measure is not None
        outcomes = []
        for data in self.images.sets:
            stages = []
            if model is not None:
                similarity = model.similarity()
                stages = [StageName(LEARNED, min(len(data.database), MOST_MEASURED))]
            outcomes.append(
                judge(
                    data,
                    measure.protocol,
                    self.images.of,
                    self.bars,
                    stages=stages,
                    similarity=similarity,
                )
            )
        count = len(self.images.descriptors.names)
        return EvaluationResult(
            sets=tuple(outcomes),
            model=_about(model, self.images.descriptors.fingerprint),
            data={"source": str(self.root), "images": str(count), "rejected": "0"},
            rejects=(),
            versions=versions(),
            device=device_name(),
            timings={},
        )

    def describe_before(self, state: TrainState) -> None:
        """Keeps nothing: the cosine can be measured at any time."""
        del state

    def finish(
        self,
        state: TrainState,
        steps: int,
        *,
        resumed_from: int,
        stopped_by: str | None,
    ) -> RunResult:
        """Keeps the model, and compares it with the cosine."""
        self.finished = model = self.model(state)
        if is_first_process():
            model.save(self.out / MODEL_FOLDER)
        result = RunResult(
            model=model,
            steps=steps,
            resumed_from=resumed_from,
            kept_step=int(state.step),
            images=len(self.images.training),
            stopped_by=stopped_by,
        )
        if not self.images.sets or stopped_by or not is_first_process():
            return result
        known = self._last and self._last[0] == int(state.step)
        return result._replace(
            before=self._result(None),
            after=self._last[1] if known and self._last else self._result(model),
            sets=list(self.images.sets),
            pair_scores=self._pair_scores(model),
        )

    def _pair_scores(self, model: SimilarityModel) -> dict[str, PairScores]:
        found = {}
        for data in self.images.sets:
            named = {r.name: r for r in [*data.database, *queries_of(data)]}
            embedding = self.images.of(list(named.values()))
            labels = [
                record.label if known else None
                for record, known in zip(named.values(), embedding.found, strict=True)
            ]
            counts = group_by_label(labels).size
            if len(counts) > 1 and (counts > 1).any():
                found[data.name] = sample_pairs(
                    model.similarity(), embedding.vectors, labels
                )
        return found


def _about(model: SimilarityModel | None, fingerprint: str) -> dict[str, str]:
    if model is None:
        return {"similarity": "cosine", "fingerprint": fingerprint}
    network = model.network
    widths = " → ".join(map(str, (f"2 x {network.dim}", *network.widths, 1)))
    return {
        "similarity": f"network {widths}" + ", symmetric" * network.symmetric,
        "fingerprint": fingerprint,
    }
