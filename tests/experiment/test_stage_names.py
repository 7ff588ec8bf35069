"""One set of names and numbers of stages, wherever they are given."""

import pytest

from jaxsim.core.errors import InputError
from jaxsim.experiment.rerank_comparison import chosen_methods
from jaxsim.experiment.reranking import GRAPH_STAGES
from jaxsim.experiment.stage_names import STAGES, parse_stages

NAMES = [name for name in STAGES if name not in ("gss", "gssv", "learned")]


def words(text, **options):
    return [str(name) for name in parse_stages(text, **options)]


@pytest.mark.parametrize("name", [*NAMES, "alpha_qe:7", "dfs:50"])
def test_a_name_means_the_same_to_rerank_and_to_methods(name):
    assert chosen_methods(name)[name] == ",".join(words(name))


def test_stages_have_numbers_if_none_are_given():
    assert words("dba,qe,alpha_qe,spatial,learned") == [
        "dba:20",
        "qe:10",
        "alpha_qe:20",
        "spatial:50",
        "learned:1000",
    ]
    assert words(",".join(GRAPH_STAGES)) == [f"{name}:20" for name in GRAPH_STAGES]


def test_spaces_do_not_count():
    assert words(" dba , dfs:3,\tspatial ") == ["dba:20", "dfs:3", "spatial:50"]


@pytest.mark.parametrize("text", ["", "qe,", "qe,,dfs", "dba qe", "QE", "qe:", "qe: 3"])
def test_what_is_no_stage(text):
    with pytest.raises(InputError, match="--rerank"):
        parse_stages(text)


def test_messages_name_the_option_that_was_given():
    for text in ("no", "dfs:0", "gss"):
        with pytest.raises(InputError, match="^--methods"):
            parse_stages(text, option="--methods")
