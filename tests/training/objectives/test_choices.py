"""Misspelt options are refused instead of meaning something else."""

import jax
import pytest

from jaxsim.core.errors import InputError, require_choice
from jaxsim.training.objectives import classification, criteria
from jaxsim.training.objectives.descriptor import DescriptorObjective
from tests.training import tiny


@pytest.mark.parametrize(
    "make",
    [
        lambda: criteria.TripletCriterion(miner="batchhard"),  # pyright: ignore
        lambda: criteria.TripletCriterion(average="violated"),  # pyright: ignore
        lambda: criteria.ContrastiveCriterion(pairs="row"),  # pyright: ignore
    ],
)
def test_criteria_know_their_choices(make):
    # The type check of the tests may come first; users have only ours.
    with pytest.raises(Exception, match=r"(?i)expected one of|type-check"):
        make()


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: criteria.TripletCriterion(margin=float("nan")), "margin=nan is not"),
        (lambda: criteria.TripletCriterion(scale=-1.0), "scale=-1.0 is not a number"),
        (lambda: criteria.ContrastiveCriterion(margin=-1.0), "margin=-1.0 is not"),
        (lambda: criteria.MultiSimilarityCriterion(alpha=0.0), "alpha=0.0 is not"),
        (lambda: criteria.MultiSimilarityCriterion(beta=-1.0), "beta=-1.0 is not"),
        (lambda: criteria.AveragePrecisionCriterion(bins=1), "bins=1"),
        (lambda: criteria.AveragePrecisionCriterion(low=1.0), "low=1.0"),
    ],
)
def test_numbers_out_of_range(make, message):
    with pytest.raises(InputError, match=message):
        make()


@pytest.mark.parametrize(
    "criterion, unit_only",
    [
        (criteria.MultiSimilarityCriterion(), True),
        (criteria.AveragePrecisionCriterion(), True),
        (criteria.TripletCriterion(miner="distance_weighted"), True),
        (criteria.TripletCriterion(), False),
        (criteria.ContrastiveCriterion(), False),
    ],
)
def test_losses_of_cosines_want_unit_vectors(criterion, unit_only):
    network = tiny.network().clone(unit=False)
    objective = DescriptorObjective(network, criterion)
    batch = tiny.batch(12)
    init = lambda: objective.init(  # noqa: E731
        jax.random.key(0), batch, key=jax.random.key(1)
    )
    if unit_only:
        with pytest.raises(InputError, match="needs descriptors that are unit vectors"):
            init()
    else:
        init()


def test_the_message_names_the_choices():
    with pytest.raises(InputError, match="miner='x': expected one of all, batch_hard"):
        require_choice("miner", "x", criteria.MinerName)
    require_choice("head", "arcface", classification.Head)


def test_every_miner_that_is_offered_runs():
    names = criteria.MinerName.__args__
    batch = tiny.batch(12)
    descriptors = jax.random.normal(jax.random.key(0), (12, 8))
    for name in names:
        mean = criteria.TripletCriterion(miner=name)(
            descriptors, batch["labels"], key=jax.random.key(1)
        )
        assert mean.value >= 0
