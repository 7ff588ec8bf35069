"""Every config runs, made small: images are embedded and judged for real."""

from pathlib import Path

import fiddle as fdl
import pytest

from jaxsim.experiment.config_file import load_config
from jaxsim.experiment.evaluate import evaluate
from jaxsim.experiment.experiments import (
    ClassificationExperiment,
    RetrievalExperiment,
)
from tests.configs.layouts import LAYOUTS, OPTIONS

SIZE_PX = 64
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


def run_retrieval(config: fdl.Config, root: Path) -> None:
    make_data(config.data, root)
    shrink(config.model)
    result, _ = evaluate(config, root)
    assert result.rejects == ()
    for outcome in result.sets:
        main = next(iter(outcome.metrics))
        assert outcome.metrics[main] == pytest.approx(1), outcome.metrics


def run_classification(config: fdl.Config, root: Path) -> None:
    make_data(config.data, root)
    shrink(config.model)
    result, _ = evaluate(config, root)
    assert result.data["images"] == "3"
    assert all(0 <= value <= 1 for value in result.metrics.values())


RUNS = {
    RetrievalExperiment: run_retrieval,
    ClassificationExperiment: run_classification,
}


def config_files() -> list[Path]:
    return sorted(CONFIGS.glob("*.py"))


@pytest.mark.parametrize("path", config_files(), ids=lambda path: path.stem)
def test_every_config_runs(path, tmp_path):
    for options in OPTIONS.get(path.stem, ("",)):
        colon = ":" if options else ""
        config = load_config(f"{path}{colon}{options.format(root=tmp_path)}")
        kind = fdl.get_callable(config)
        if kind not in RUNS:
            pytest.fail(f"{path.name} describes a {kind.__name__}: add it to RUNS")
        RUNS[kind](config, tmp_path)
