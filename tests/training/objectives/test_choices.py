"""Misspelt options are refused instead of meaning something else."""

import jax
import pytest

from jaxsim.core.errors import InputError, require_choice
from jaxsim.training.objectives import classification, criteria
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
