"""Names of the stages of re-ranking, wherever the command line takes them."""

from collections.abc import Sequence
from typing import NamedTuple

from jaxsim.core.errors import InputError
from jaxsim.rerank.graph import TrainedGraph

RERANK_OPTION, METHODS_OPTION = "--rerank", "--methods"
"""Options that stages are given to; the second one's command takes no similarity."""
LEARNED, SPATIAL = "learned", "spatial"
GRAPH, VERIFIED_GRAPH = "gss", "gssv"
AS_TRAINED = 0
"""Stands for the number that a graph was trained with."""

STAGES: dict[str, int] = {
    "dba": 20,
    "qe": 10,
    "alpha_qe": 20,
    SPATIAL: 50,
    LEARNED: 1000,
    GRAPH: AS_TRAINED,
    VERIFIED_GRAPH: AS_TRAINED,
    "dfs": 20,
    "offline": 20,
    "fsr": 20,
    "hybrid": 20,
    "kreciprocal": 20,
}
"""The stages, each with its number if none is asked for.

The graphs have 20 neighbours, which did best on photos that nothing else is told about
(the train split of the grocery photos); the published 50 suit larger collections.
"""


class StageName(NamedTuple):
    """A stage as it is asked for, "qe:10".

    Attributes:
      kind: one of `STAGES`.
      number: how many results or neighbours it takes.
    """

    kind: str
    number: int

    def __str__(self) -> str:
        """Returns the words of the command line."""
        return f"{self.kind}:{self.number}"


def parse_stages(
    text: str, *, graph: TrainedGraph | None = None, option: str = RERANK_OPTION
) -> list[StageName]:
    """Returns the stages named by "dba:20,qe:10,dfs,spatial:50".

    Without a number a stage has that of `STAGES`. Spaces around names do not count.

    Args:
      text: the names.
      graph: what "gss" and "gssv" have their number from.
      option: that the text was given to, for messages.

    Raises:
      InputError: no such stage, its number is not one above 0, or there is no graph
        to tell it.

    >>> [str(name) for name in parse_stages("dba, dfs, spatial:30")]
    ['dba:20', 'dfs:20', 'spatial:30']
    """
    words = [word.strip() for word in text.split(",")]
    if "" in words:
        raise InputError(
            f"{option} '{text}': a name is missing beside a comma. Expected names such "
            "as dba:20,qe:10"
        )
    return [_parse(word, graph, option) for word in words]


def asked_stages(
    text: str | None, *, similarity: bool, graph: TrainedGraph | None = None
) -> list[StageName]:
    """Returns the stages of --rerank, with those for models that none names.

    A graph comes first, since it replaces descriptors; a similarity comes last.

    Args:
      text: of --rerank; None without it.
      similarity: whether there is one.
      graph: if there is one.

    Raises:
      InputError: see `parse_stages`; or a stage needs a model that is not there.

    >>> [str(name) for name in asked_stages("qe:10", similarity=True)]
    ['qe:10', 'learned:1000']
    """
    names = parse_stages(text, graph=graph) if text else []
    kinds = {name.kind for name in names}
    require_models(names, similarity=similarity, graph=graph is not None)
    if graph is not None and not kinds & {GRAPH, VERIFIED_GRAPH}:
        names.insert(0, graph_stage(graph))
    if similarity and LEARNED not in kinds:
        names.append(StageName(LEARNED, STAGES[LEARNED]))
    return names


def require_models(
    names: Sequence[StageName],
    *,
    similarity: bool,
    graph: bool,
    option: str = RERANK_OPTION,
) -> None:
    """Raises InputError if a stage needs a model and there is none.

    Args:
      names: the stages.
      similarity: whether there is a similarity.
      graph: whether there is a graph.
      option: that the stages were given to, for messages.
    """
    for name in names:
        if name.kind == LEARNED and not similarity and option == METHODS_OPTION:
            raise InputError(
                f"{option} {name}: a learned similarity is no method here; 'jaxsim "
                "evaluate' and 'jaxsim search' re-rank by it, with --similarity RUN"
            )
        if name.kind == LEARNED and not similarity:
            raise InputError(
                f"{option} {name} needs --similarity RUN, the folder of a trained "
                "similarity"
            )
        if name.kind in {GRAPH, VERIFIED_GRAPH} and not graph:
            raise InputError(
                f"{option} {name} needs --graph RUN, the folder of a trained graph"
            )


def graph_stage(graph: TrainedGraph) -> StageName:
    """Returns the stage that searches by a graph as it was trained to be."""
    kind = VERIFIED_GRAPH if graph.verified_queries else GRAPH
    return StageName(kind, graph.query_neighbours)


def _parse(text: str, graph: TrainedGraph | None, option: str) -> StageName:
    kind, colon, digits = text.partition(":")
    if kind not in STAGES:
        offered = [n for n in STAGES if n != LEARNED or option != METHODS_OPTION]
        raise InputError(
            f"{option} {text}: there is no such stage; there are {', '.join(offered)}, "
            "with or without a number, such as dfs or dfs:20"
        )
    if not colon and STAGES[kind] != AS_TRAINED:
        return StageName(kind, STAGES[kind])
    if not colon and graph is not None:
        return StageName(kind, graph.query_neighbours)
    if not colon:
        raise InputError(
            f"{option} {kind} needs --graph RUN, the folder of a trained graph"
        )
    if not digits.isdecimal() or int(digits) < 1:
        raise InputError(
            f"{option} {text}: expected {kind}:K with a whole number K >= 1, such as "
            f"{kind}:20"
        )
    return StageName(kind, int(digits))
