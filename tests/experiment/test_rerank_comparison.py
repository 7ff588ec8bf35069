import pytest

from jaxsim.core.errors import InputError
from jaxsim.core.progress import no_bars
from jaxsim.experiment.compared_sets import open_sets
from jaxsim.experiment.graphs import open_graph
from jaxsim.experiment.rerank_comparison import METHODS, chosen_methods, compare
from jaxsim.experiment.reranking import parse_stages
from jaxsim.experiment.train import train
from tests.experiment.test_graph_run import descriptor_file, small


def test_every_method_is_made_of_stages():
    for stages in METHODS.values():
        assert not stages or ",".join(map(str, parse_stages(stages))) == stages
    assert chosen_methods("all") == METHODS


def test_graph_stages_have_a_published_number():
    words = "dfs,offline,fsr,hybrid,kreciprocal,dfs:20"
    numbers = [name.number for name in parse_stages(words)]
    assert numbers == [50, 50, 50, 50, 20, 20]


def test_methods_may_be_chains():
    found = chosen_methods("kreciprocal,dba:2+dfs:3")
    assert found == {
        "cosine": "",
        "kreciprocal": "kreciprocal:20",
        "dba:2+dfs:3": "dba:2,dfs:3",
    }


@pytest.mark.parametrize("words", ["dfss", "dfs+", "dfs:0", "", "qe:1,dfs:-1"])
def test_what_is_no_method(words):
    with pytest.raises(InputError, match="--methods"):
        chosen_methods(words)


def test_a_trained_graph_is_one_more_method(tmp_path):
    data = descriptor_file(tmp_path)
    train(small(), data, tmp_path / "run")
    compared = open_sets(
        str(data), data=None, descriptors=None, only=None, bars=no_bars
    )
    graph = open_graph(tmp_path / "run")
    graph.check_described_by(compared.about["fingerprint"])
    found = compare(
        compared, methods={"cosine": ""}, graph=graph.trained, drawn=False
    ).sets[0]
    assert [method.name for method in found.methods] == ["cosine", "gss"]
    assert found.best == "gss" and found.map is None
    assert found.methods[1].stages == "gss:3"
    assert found.methods[1].metrics["map"] != found.methods[0].metrics["map"]
