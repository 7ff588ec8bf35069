"""The published numbers of guided similarity separation, in the configs."""

from pathlib import Path

import pytest

from jaxsim.experiment.config_file import load_config
from jaxsim.experiment.construct import construct

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


@pytest.mark.parametrize(
    "name, neighbours, query_neighbours, epochs",
    [
        ("gss_roxford", 5, 5, 200),
        ("gss_rparis", 5, 15, 200),
        ("gss_instre", 10, 10, 500),
    ],
)
def test_configs_have_the_numbers_of_the_paper(
    name, neighbours, query_neighbours, epochs
):
    config = load_config(f"{CONFIGS / name}.py:truth=absent.json")
    config.published = None  # The ground truth is read when it is built.
    experiment = construct(config)
    assert experiment.neighbours == neighbours
    assert experiment.query_neighbours == query_neighbours
    assert experiment.steps == epochs
    assert experiment.network.layers == 2 and experiment.network.gamma == 0.3
    assert experiment.network.dim == 2048
    assert experiment.percent == 98 and experiment.alpha == 1
    assert experiment.learning_rate == 1e-4
    assert (experiment.graph, experiment.queries) == ("nearest", "nearest")
