"""What every protocol promises, whatever its rules."""

import dataclasses

import numpy as np
import pytest

from jaxsim.evaluation.protocols.base import Protocol
from jaxsim.evaluation.runner import evaluate_set
from tests.contracts.protocols import PROTOCOLS
from tests.evaluation.sets import ranker


@pytest.fixture(params=PROTOCOLS)
def case(request):
    return PROTOCOLS[request.param]


def best_first(data, protocol, row):
    """Ranks what the strictest judge wants first, and wrong images last."""
    gain = np.zeros(len(data.database))
    for judge in protocol.judges(data):
        gain[judge.judge(row).positives] += 1
    return np.argsort(-gain, kind="stable").tolist()


def test_is_a_frozen_protocol(case):
    protocol, _ = case
    assert isinstance(protocol, Protocol)
    assert dataclasses.is_dataclass(protocol)
    with pytest.raises(dataclasses.FrozenInstanceError):
        protocol.main = "other"


def test_main_judge_exists_and_the_first_measure_is_average_precision(case):
    protocol, data = case
    assert protocol.main in [judge.name for judge in protocol.judges(data)]
    assert protocol.measures[0].name == "map"


def test_judgements_are_disjoint_rows_of_the_database(case):
    protocol, data = case
    for judge in protocol.judges(data):
        for row in range(2):
            judgement = judge.judge(row)
            ids = np.concatenate([judgement.positives, judgement.ignored])
            assert len(np.unique(ids)) == len(ids)
            assert ((ids >= 0) & (ids < len(data.database))).all()


def test_a_perfect_ranking_has_average_precision_one(case):
    protocol, data = case
    orders = [best_first(data, protocol, row) for row in range(2)]
    result = evaluate_set(data, protocol, ranker(*orders))
    for name, value in result.metrics.items():
        if name.endswith(("map", "recall@1", "mp@1", "r_precision")):
            assert value == pytest.approx(1), name


def test_finding_nothing_is_zero_in_every_metric(case):
    protocol, data = case
    result = evaluate_set(data, protocol, ranker(*[[-1] * 6] * 2))
    assert set(result.metrics.values()) == {0}


def test_the_variant_names_the_rules_that_change_numbers(case):
    protocol, data = case
    variant = protocol.variant(data)
    assert variant.keys() >= {
        "protocol",
        "average_precision",
        "right",
        "ignored",
        "query_image",
        "query_crop",
    }
    assert all(isinstance(value, str) and value for value in variant.values())


def test_every_measure_is_defined(case):
    protocol, _ = case
    for measure in protocol.measures:
        assert measure.definition.endswith(".")
        assert ". " not in measure.definition
