import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.core.progress import no_bars
from jaxsim.experiment.compared_sets import open_sets
from jaxsim.experiment.graphs import open_graph
from jaxsim.experiment.rerank_comparison import (
    METHODS,
    RerankingComparison,
    chosen_methods,
    compare,
)
from jaxsim.experiment.train import train
from jaxsim.pipeline.embedding_map import embedding_map
from jaxsim.report.rerank_page import rerank_page
from tests.experiment.test_graph_run import (
    LABELS,
    OF_EACH,
    D,
    descriptor_file,
    small,
)


def test_all_methods_keep_their_names():
    assert chosen_methods(" all ") == {
        "cosine": "",
        "qe": "qe:10",
        "alpha_qe": "alpha_qe:20",
        "dba+qe": "dba:20,qe:10",
        "dfs": "dfs:20",
        "offline": "offline:20",
        "fsr": "fsr:20",
        "hybrid": "hybrid:20",
        "kreciprocal": "kreciprocal:20",
    }
    assert tuple(chosen_methods("all")) == METHODS


def test_methods_may_be_chains():
    found = chosen_methods("kreciprocal, dba:2 + dfs:3,cosine")
    assert found == {
        "cosine": "",
        "kreciprocal": "kreciprocal:20",
        "dba:2+dfs:3": "dba:2,dfs:3",
    }


def test_a_method_has_its_stages_in_a_chain_too():
    found = chosen_methods("dba:2+dfs,dba+qe+fsr,dba:2+dfs:50")
    assert found == {
        "cosine": "",
        "dba:2+dfs": "dba:2,dfs:20",
        "dba+qe+fsr": "dba:20,qe:10,fsr:20",
        "dba:2+dfs:50": "dba:2,dfs:50",
    }


@pytest.mark.parametrize(
    "words",
    ["dfss", "dfs+", "cosine+dfs", "dfs:0", "", "qe:1,dfs:-1", "dfs,", "qe,gss"],
)
def test_what_is_no_method(words):
    with pytest.raises(InputError, match="^--methods"):
        chosen_methods(words)


@pytest.mark.parametrize(
    "words, message",
    [
        ("dfs,qe+learned", "^--methods learned:1000: .*'jaxsim evaluate'"),
        ("gss:5", "^--methods gss:5 needs --graph RUN"),
        ("qe,dba+gssv:5", "^--methods gssv:5 needs --graph RUN"),
        ("all,dfs", "'all' goes with no other name.* cosine,qe"),
        ("all+dfs", "'all' goes with no other name"),
        ("qe+", r"'qe\+': a name is missing"),
        ("", "'': a name is missing"),
    ],
)
def test_a_method_that_cannot_be_measured_is_refused_in_words_of_this_command(
    words, message
):
    with pytest.raises(InputError, match=message) as refused:
        chosen_methods(words)
    assert "--rerank" not in str(refused.value)


def test_a_learned_similarity_is_not_offered():
    with pytest.raises(InputError, match="there are dba, .* dfs") as refused:
        chosen_methods("dfss")
    assert "learned" not in str(refused.value)


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
    kept = graph.trained.vectors.nbytes + 2 * D * D * 4
    assert found.methods[1].memory_bytes > kept


def test_the_trained_graph_is_drawn_whichever_is_best(tmp_path):
    data = descriptor_file(tmp_path)
    train(small(), data, tmp_path / "run")
    compared = open_sets(
        str(data), data=None, descriptors=None, only=None, bars=no_bars
    )
    graph = open_graph(tmp_path / "run").trained
    right = tmp_path / "right.npy"
    np.save(right, np.kron(np.eye(LABELS), np.ones((OF_EACH, OF_EACH))))
    methods, scores = {"cosine": "", "dfs": "dfs:3"}, {"right": right}
    found = compare(compared, methods=methods, scores=scores, graph=graph).sets[0]
    assert (found.best, found.shown, found.mapped) == ("right", "gss", "gss")
    assert found.map is not None and found.map.before is not None
    # Scaled as they are for the map, since t-SNE makes much of the last digits.
    new = graph.described / np.linalg.norm(graph.described, axis=1, keepdims=True)
    expected = embedding_map(compared.sets[0].database, new)
    np.testing.assert_allclose(found.map.points, expected.points, atol=1e-3)
    page = RerankingComparison(sets=(found,), about={}, device="", versions={})
    assert "After gss" in rerank_page(page, title="")
    # Scores of a file tell nothing of how images would be ranked.
    found = compare(compared, methods=methods, scores=scores).sets[0]
    assert found.best == found.shown == "right" and found.mapped == "dfs"
