"""Every config runs, made small: images are embedded and judged for real."""

import ast
import inspect
from contextlib import nullcontext
from functools import partial
from pathlib import Path

import fiddle as fdl
import pytest

from jaxsim.core.progress import no_bars
from jaxsim.data.datasets import photo_views
from jaxsim.experiment.build import load_model
from jaxsim.experiment.config_file import load_config
from jaxsim.experiment.evaluate import evaluate
from jaxsim.experiment.experiments import (
    ClassificationExperiment,
    RetrievalExperiment,
)
from jaxsim.experiment.graph_experiment import GraphExperiment
from jaxsim.experiment.graphs import open_graph
from jaxsim.experiment.model_spec import RANDOM
from jaxsim.experiment.similarities import open_similarity
from jaxsim.experiment.similarity_experiment import SimilarityStages
from jaxsim.experiment.similarity_stages import train_stages
from jaxsim.experiment.train import train
from jaxsim.experiment.training_experiment import TrainingExperiment
from jaxsim.nn.backbones.convnet import ConvNet
from tests.configs.layouts import DATA, LAYOUTS, OPTIONS

SIZE_PX = 64
SMALL_BATCHES = {
    "num_labels": 3,
    "per_label": 8,
    "batch_size": 24,
    "pairs": 8,
    "triplets": 8,
}
STATED = ("Command", "Data", "Hardware", "Time", "Expect")
CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def make_data(data: fdl.Buildable, root: Path) -> None:
    module = fdl.get_callable(data).__module__
    if module not in LAYOUTS:
        pytest.fail(f"no images are made for {module}: add it to LAYOUTS")
    LAYOUTS[module](root)


def shrink(model: fdl.Config) -> None:
    preprocessing = model.preprocessing
    preprocessing.size_px = SIZE_PX
    if preprocessing.crop_px is not None:
        preprocessing.crop_px = SIZE_PX


def run_retrieval(config: fdl.Config, root: Path, data: Path) -> None:
    make_data(config.data, root)
    shrink(config.model)
    result, _ = evaluate(config, data)
    assert result.rejects == ()
    for outcome in result.sets:
        main = next(iter(outcome.metrics))
        assert outcome.metrics[main] == pytest.approx(1), outcome.metrics


def run_classification(config: fdl.Config, root: Path, data: Path) -> None:
    make_data(config.data, root)
    shrink(config.model)
    result, _ = evaluate(config, data)
    assert result.data["images"] == "3"
    assert all(0 <= value <= 1 for value in result.metrics.values())


def run_training(config: fdl.Config, root: Path, data: Path) -> None:
    """Trains for two steps, from nothing, a network that compiles in no time."""
    make_data(config.data, root)
    shrink(config.model)
    config.model.network.backbone = fdl.Config(ConvNet)
    config.model.weights = RANDOM
    if hasattr(config.model.network.pooling, "whiten_dim"):
        config.model.network.pooling.whiten_dim = 4
    if hasattr(config.objective, "similarity"):
        similarity = config.objective.similarity
        similarity.dim, similarity.widths = 4, (8, 8)
    # Whatever the sampler, its batches split over the devices, and into triplets.
    for name, value in SMALL_BATCHES.items():
        if name in inspect.signature(fdl.get_callable(config.sampler)).parameters:
            setattr(config.sampler, name, value)
    config.steps = 2
    run = train(config, data, root / "run")
    assert run.steps == 2 and run.stopped_by is None
    assert run.after and all(0 <= v <= 1 for v in run.after.metrics.values())
    stored = load_model(root / "run" / "model")
    assert stored.fingerprint == run.model.fingerprint


def run_stages(config: fdl.Config, root: Path, data: Path) -> None:
    """Trains each stage for two steps on descriptors of four numbers."""
    make_data(config.deepcosine.data, root)
    for stage in (config.deepcosine, config.deepsim, config.deepsimh):
        shrink(stage.descriptor)
        stage.descriptor.network.pooling.whiten_dim = 4
        stage.network.dim, stage.network.widths = 4, (8, 8)
        stage.pairs, stage.steps = SMALL_BATCHES["pairs"], 2
        if stage.mining is not None:
            stage.mining.candidates = 20
    out = root / f"run of {fdl.get_callable(config.deepcosine.data).__module__}"
    results = train_stages(
        config, data, out, watch=lambda folder: nullcontext([]), bars=no_bars
    )
    for result in results.values():
        assert result.steps == 2
        assert result.after and all(0 <= v <= 1 for v in result.after.metrics.values())
    stored = open_similarity(out)
    assert stored.described_by == load_model(out / "descriptor").fingerprint


def run_graph(config: fdl.Config, root: Path, data: Path) -> None:
    """Trains for two epochs on descriptors of four numbers."""
    config.steps, config.neighbours, config.query_neighbours = 2, 3, 3
    if config.published is None:
        make_data(config.data, root)
        shrink(config.descriptor)
        config.descriptor.network.pooling.whiten_dim = 4
    else:
        LAYOUTS["jaxsim.data.published"](root)
    config.network.dim = 4
    out = root / f"run of {len(list(root.glob('run of *')))} before"
    result = train(config, data, out)
    assert result.steps == 2
    assert result.after and all(0 <= v <= 1 for v in result.after.metrics.values())
    assert open_graph(out).described_by == result.model.described_by


RUNS = {
    GraphExperiment: run_graph,
    RetrievalExperiment: run_retrieval,
    ClassificationExperiment: run_classification,
    TrainingExperiment: run_training,
    SimilarityStages: run_stages,
}


def config_files() -> list[Path]:
    return sorted(CONFIGS.glob("*.py"))


@pytest.mark.parametrize("path", config_files(), ids=lambda path: path.stem)
def test_every_config_says_what_to_expect(path):
    docstring = ast.get_docstring(ast.parse(path.read_text())) or ""
    for word in STATED:
        assert f"\n{word}: " in docstring, f"{path.name} does not state its {word}"


@pytest.mark.parametrize("path", config_files(), ids=lambda path: path.stem)
def test_every_config_runs(path, tmp_path, monkeypatch):
    few = partial(photo_views.prepare, views=2, max_instances=1)
    monkeypatch.setattr(photo_views, "prepare", lambda root, **_: few(root))
    for options in OPTIONS.get(path.stem, ("",)):
        colon = ":" if options else ""
        config = load_config(f"{path}{colon}{options.format(root=tmp_path)}")
        kind = fdl.get_callable(config)
        if kind not in RUNS:
            pytest.fail(f"{path.name} describes a {kind.__name__}: add it to RUNS")
        RUNS[kind](config, tmp_path, tmp_path / DATA.get(path.stem, ""))
