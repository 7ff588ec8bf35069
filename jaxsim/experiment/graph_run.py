"""A run that trains new descriptors on the graph of an index."""

from collections.abc import Generator, Sequence
from functools import cached_property, partial
from pathlib import Path

import fiddle as fdl
import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.checkpoint.manager import Checkpoints
from jaxsim.core.environment import device_name, versions
from jaxsim.core.progress import Bars
from jaxsim.core.ranking import MISSING_ID
from jaxsim.data.records import Record
from jaxsim.evaluation.result import EvaluationResult
from jaxsim.experiment.construct import construct
from jaxsim.experiment.evaluate import judge
from jaxsim.experiment.graph_experiment import NEAREST, GraphExperiment
from jaxsim.experiment.graph_images import graph_images
from jaxsim.experiment.neighbourhoods import Neighbourhoods
from jaxsim.experiment.run import METRICS_FILE, MODEL_FOLDER, RunResult, restored
from jaxsim.experiment.serialisation import config_to_json
from jaxsim.experiment.slowest_epoch import LOSS, descent
from jaxsim.experiment.training_experiment import Keep
from jaxsim.ops.graph import Graph, union_graph
from jaxsim.ops.percentile import similarity_percentile
from jaxsim.parallel.mesh import make_mesh
from jaxsim.parallel.multihost import is_first_process, put_everywhere
from jaxsim.pipeline.embed import Embedding
from jaxsim.pipeline.graph_model import GraphModel
from jaxsim.rerank.graph import TrainedGraph
from jaxsim.training.log import Listener, read_rows
from jaxsim.training.loop import Evaluation, Loop
from jaxsim.training.objectives.guided_similarity import (
    GRAPH,
    NETWORK,
    GuidedSimilarityObjective,
    graph_variables,
)
from jaxsim.training.state import TrainState
from jaxsim.training.step import Recipe, compile_step, state_layout


class WholeGraph:
    """Batches without anything, as each step sees the whole graph.

    Args:
      nodes: of the graph.
    """

    def __init__(self, nodes: int):
        self._ids = np.arange(nodes)

    def iterate(
        self, start: int, stop: int
    ) -> Generator[dict[str, np.ndarray], None, None]:
        """Yields the ids of all images, for each of the steps."""
        for _ in range(start, stop):
            yield {"ids": self._ids}


class GraphRun:
    """The parts of a run, built once from its config.

    Args:
      config: of a `GraphExperiment`.
      root: folder of the images, a file of descriptors, or an index.
      out: folder of the run.
      bars: shows progress.
    """

    def __init__(self, config: fdl.Config, root: Path, out: Path, bars: Bars):
        self.config, self.root, self.out, self.bars = config, root, out, bars
        self.mesh = make_mesh()
        self.images = graph_images(config, root, out, bars)
        self.experiment: GraphExperiment = construct(config)
        experiment = self.experiment
        self.objective = GuidedSimilarityObjective(
            network=experiment.network, alpha=experiment.alpha
        )
        self.recipe = Recipe(
            objective=self.objective,
            optimiser=experiment.optimiser,
            learning_rate=experiment.learning_rate,
            seed=experiment.seed,
        )

    @property
    def steps(self) -> int:
        """Epochs in all."""
        return self.experiment.steps

    @property
    def keep(self) -> Keep:
        """Which model is kept."""
        return "last" if self.experiment.keep == "last" else "best"

    @cached_property
    def records(self) -> list[Record]:
        """The images of the index that have a descriptor."""
        found = self.images.of(self.images.training).found
        return [r for r, f in zip(self.images.training, found, strict=True) if f]

    @cached_property
    def _vectors(self) -> np.ndarray:
        vectors = self.images.of(self.records).vectors
        self.experiment.check_fits(*vectors.shape)
        return vectors

    @cached_property
    def graph(self) -> Graph:
        """The graph of the index."""
        return union_graph(self._neighbourhoods.of_index())

    @cached_property
    def _neighbourhoods(self) -> Neighbourhoods:
        return Neighbourhoods(
            experiment=self.experiment,
            root=self.root,
            images=self.images,
            records=self.records,
            vectors=self._vectors,
            bars=self.bars,
        )

    @cached_property
    def _query_lists(self) -> dict[str, np.ndarray]:
        """By name, the neighbours of images that ask and are not in the index.

        Empty where descriptors tell them.
        """
        known = {record.name for record in self.records}
        asked = [r for data in self.images.sets for r in (data.queries or ())]
        queries = list({r.name: r for r in asked if r.name not in known}.values())
        vectors = self.images.of(queries).vectors
        lists = self._neighbourhoods.of_queries(queries, vectors)
        if lists is None:
            return {}
        return {query.name: row for query, row in zip(queries, lists, strict=True)}

    def _lists_of(self, records: Sequence[Record]) -> np.ndarray | None:
        found = self._query_lists
        if not found:
            return None
        none = np.full_like(next(iter(found.values())), MISSING_ID)
        return np.stack([found.get(record.name, none) for record in records])

    @cached_property
    def _untrained(self) -> TrainedGraph:
        """The graph with the first weights, which the seed gives."""
        variables = jax.jit(self.experiment.network.init)(
            jax.random.key(self.experiment.seed),
            self._empty.adjacency,
            jnp.asarray(self._vectors),
        )
        return self._with(jax.device_get(variables["params"]))

    @cached_property
    def _empty(self) -> TrainedGraph:
        return TrainedGraph(
            network=self.experiment.network,
            variables={},
            vectors=self._vectors,
            graph=self.graph,
            query_neighbours=self.experiment.query_neighbours,
            verified_queries=self.experiment.queries != NEAREST,
        )

    def _with(self, params: dict) -> TrainedGraph:
        return self._empty.with_variables({"params": params})

    @cached_property
    def _variables(self) -> dict:
        """Of the objective, before the first step."""
        untrained = self._untrained
        beta = similarity_percentile(
            untrained.described, self.experiment.percent, seed=self.experiment.seed
        )
        graph = graph_variables(
            untrained.adjacency, jnp.asarray(self._vectors), beta=beta
        )
        params = {NETWORK: untrained.variables["params"]}
        return {"params": params, GRAPH: graph}

    @cached_property
    def _first_loss(self) -> float:
        return float(self._loss(self._variables))

    def collections(self) -> dict[str, Sequence[Record]]:
        """Returns the images that the run must find again when it goes on."""
        measured = [
            record
            for data in self.images.sets
            for record in [*data.database, *(data.queries or ())]
        ]
        return {"index": self.images.training, "measured on": measured}

    def inputs(self) -> dict[str, np.ndarray]:
        """Returns the descriptors, and neighbours that these do not tell."""
        inputs = self.images.inputs(self.collections())
        if self.experiment.graph != NEAREST:
            # Without weights, whose last digits differ among devices.
            edges = np.stack([self.graph.rows, self.graph.columns])
            inputs["the edges of the graph"] = edges
        if self._query_lists:
            lists = np.stack(list(self._query_lists.values()))
            inputs["the neighbours of the queries"] = lists
        return inputs

    @cached_property
    def _missing(self) -> int:
        """How many images have no descriptor."""
        asked_for = [r for records in self.collections().values() for r in records]
        records = list({record.name: record for record in asked_for}.values())
        return int((~self.images.of(records).found).sum())

    def restore(self, checkpoints: Checkpoints, step: int | None) -> TrainState:
        """Returns the state of a checkpoint, or the first one of a run."""
        # Made now: shapes are found by tracing, which graphs cannot be made in.
        start = partial(self.recipe.start, self._variables)
        shapes = jax.eval_shape(start)
        layout = state_layout(shapes, self.mesh)
        if step is None:
            return put_everywhere(start(), self.mesh, layout)
        state = restored(
            checkpoints,
            step,
            self.mesh,
            first=start,
            layout=_without_graph(layout),
            shapes=_without_graph(shapes),
        )
        places = layout.collections[GRAPH]
        # A copy, because the step uses the memory of its input again.
        graph = jax.tree.map(jnp.array, self._variables[GRAPH])
        graph = put_everywhere(graph, self.mesh, places)
        return state.replace(collections={GRAPH: graph | state.collections[GRAPH]})

    def loop(self, checkpoints: Checkpoints, listeners: Sequence[Listener]) -> Loop:
        """Returns what `fit` needs besides the state."""
        return Loop(
            step=compile_step(self.recipe, self.mesh),
            mesh=self.mesh,
            data=WholeGraph(len(self.records)),
            records=self.records,
            steps=self.experiment.steps,
            checkpoints=checkpoints,
            kept=_without_graph,
            extra={"config": config_to_json(self.config), "versions": versions()},
            every=self.experiment.every,
            evaluate=self._evaluate,
            listeners=listeners,
        )

    def model(self, state: TrainState) -> GraphModel:
        """Returns the graph with the network as it is."""
        return self._stored(self._with(jax.device_get(state.params[NETWORK])))

    def _stored(self, trained: TrainedGraph) -> GraphModel:
        return GraphModel(
            trained=trained,
            described_by=self.images.descriptors.fingerprint,
            config=config_to_json(self.config.network),
        )

    def describe_before(self, state: TrainState) -> None:
        """Keeps nothing: what was before can be measured at any time."""
        del state

    @cached_property
    def _loss(self):
        def loss(variables):
            outputs = self.objective.apply(variables, {}, train=False, method="outputs")
            return self.objective.apply(
                variables, outputs, {}, key=jax.random.key(0), method="loss"
            )[0]

        return jax.jit(loss)

    def _evaluate(self, state: TrainState) -> Evaluation:
        """Measures, and says how fast the loss has fallen, which chooses the epoch."""
        loss = float(self._loss({"params": state.params, **state.collections}))
        rows = read_rows(self.out / METRICS_FILE)
        known = [(0, self._first_loss)] + [
            (row["step"], row[f"eval/{LOSS}"]) for row in rows if f"eval/{LOSS}" in row
        ]
        main = descent([*known, (int(state.step), loss)])
        metrics = {LOSS: loss}
        if self.images.sets:
            metrics |= self._result(self.model(state)).metrics
        return Evaluation(metrics, main)

    def _result(self, model: GraphModel | None) -> EvaluationResult:
        """Measures new descriptors, or the given ones if there is no model."""
        measure = self.experiment.measure
        assert measure is not None

        def embedding_of(records: Sequence[Record]) -> Embedding:
            given = self.images.of(records)
            if model is None:
                return given
            vectors, found = np.zeros_like(given.vectors), given.found
            lists = self._lists_of(records)
            vectors[found] = model.trained.describe(
                given.vectors[found], None if lists is None else lists[found]
            )
            return Embedding(vectors=vectors, found=given.found, rejects=())

        sets = tuple(
            judge(data, measure.protocol, embedding_of, self.bars)
            for data in self.images.sets
        )
        about = {"descriptors": "as given"}
        if model is not None:
            network = model.trained.network
            about = {"descriptors": f"of a graph, {network.layers} layers"}
        about["fingerprint"] = self.images.descriptors.fingerprint
        return EvaluationResult(
            sets=sets,
            model=about,
            data={
                "source": str(self.root),
                "images": str(len(self.images.descriptors.names)),
                "rejected": str(self._missing),
            },
            rejects=(),
            versions=versions(),
            device=device_name(),
            timings={},
        )

    def finish(
        self,
        state: TrainState,
        steps: int,
        *,
        resumed_from: int,
        stopped_by: str | None,
    ) -> RunResult:
        """Keeps the model, and compares it with the given descriptors."""
        model = self.model(state)
        if is_first_process():
            model.save(self.out / MODEL_FOLDER)
        result = RunResult(
            model=model,
            steps=steps,
            resumed_from=resumed_from,
            kept_step=int(state.step),
            images=len(self.records),
            stopped_by=stopped_by,
            options={
                "k": str(self.experiment.neighbours),
                "kq": str(self.experiment.query_neighbours),
                "epochs": str(self.experiment.steps),
            },
        )
        if not self.images.sets or stopped_by or not is_first_process():
            return result
        after = self._result(model)
        return result._replace(
            before=self._result(None),
            after=after,
            sets=list(self.images.sets),
            others={
                "untrained": self._result(self._stored(self._untrained)).metrics,
                "last epoch": self._measured(steps, after),
            },
        )

    def _measured(self, step: int, after: EvaluationResult) -> dict[str, float]:
        """Returns what was measured at a step, from the history."""
        rows = read_rows(self.out / METRICS_FILE)
        row = next(r for r in reversed(rows) if r["step"] == step and "eval/loss" in r)
        return {name: row[f"eval/{name}"] for name in after.metrics}


def _without_graph(state: TrainState) -> TrainState:
    """Leaves out what is as large as the index and never changes; β is kept."""
    return state.replace(
        collections={GRAPH: {"beta": state.collections[GRAPH]["beta"]}}
    )
