"""Difficult pairs: which they are, how batches take them, and when there is none."""

import logging

import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.data.label_groups import group_by_label
from jaxsim.data.pairs import DescriptorPairs
from jaxsim.data.samplers import RandomPairs
from jaxsim.training.hard_pairs import HardPairMining
from jaxsim.training.state import TrainState

RANDOM = np.random.default_rng(0)
LABELS = [f"label {i // 5}" for i in range(30)]
VECTORS = RANDOM.standard_normal((30, 4)).astype(np.float32)
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)
SHIFTS = RANDOM.uniform(-1, 1, (30, 30)).astype(np.float32)
STATE = TrainState(
    step=0, params={}, collections={}, optimiser=(), average=None, pool={}
)


def cosines(rows):
    return np.einsum("pd,pd->p", VECTORS[rows[:, 0]], VECTORS[rows[:, 1]])


def mining(score, **options):
    sampler = RandomPairs(LABELS, pairs=16)
    data = DescriptorPairs(VECTORS, group_by_label(LABELS).codes, sampler)
    settings = {"candidates": 60, "refresh": 5} | options
    return HardPairMining(
        data=data,
        score=lambda state, rows: score(rows),
        random=sampler,
        labels=LABELS,
        **settings,
    )


def shifted(rows):
    return cosines(rows) + SHIFTS[rows[:, 0], rows[:, 1]]


@pytest.mark.parametrize("margin", [0.0, 0.3])
def test_difficult_pairs_are_scored_worse_than_by_the_cosine(margin):
    found = mining(shifted, margin=margin).mine(STATE, 5)
    rows, hard = np.asarray(found["pairs"]), np.asarray(found["hard"])
    for (first, second), difficult in zip(rows.tolist(), hard, strict=True):
        shift, match = SHIFTS[first, second], LABELS[first] == LABELS[second]
        assert difficult == (shift < margin if match else shift > -margin)
    assert 10 < hard.sum() < 50


def test_candidates_are_new_at_every_search_and_the_same_when_resumed():
    search = mining(shifted)
    first, second = (np.asarray(search.mine(STATE, s)["pairs"]) for s in (0, 5))
    assert (first != second).any()
    again = mining(shifted).mine(STATE, 5)["pairs"]
    np.testing.assert_array_equal(again, second)
    empty = search.empty()
    for name, array in search.mine(STATE, 5).items():
        assert array.shape == empty[name].shape and array.dtype == empty[name].dtype


def test_half_of_a_batch_is_difficult_and_half_random():
    search = mining(shifted)
    pool = search.mine(STATE, 5)
    hard = {tuple(r) for r in np.asarray(pool["pairs"])[np.asarray(pool["hard"]) > 0]}
    data = search.examples(search.data, pool)
    drawn = set()
    for step, batch in enumerate(data.iterate(5, 25), start=5):
        rows = batch["ids"].reshape(-1, 2)
        np.testing.assert_array_equal(rows[:8], search.random(step).reshape(-1, 2)[:8])
        chosen = {tuple(row) for row in rows[8:].tolist()}
        assert chosen <= hard
        drawn |= chosen
    assert len(drawn) > 0.9 * len(hard)


def test_without_difficult_pairs_training_goes_on_with_random_ones_and_says_so(caplog):
    def right(rows):
        match = [LABELS[i] == LABELS[j] for i, j in rows.tolist()]
        return cosines(rows) + np.where(match, 0.1, -0.1)

    search = mining(right)
    with caplog.at_level(logging.WARNING):
        pool = search.mine(STATE, 5)
    assert "none of 60 pairs" in caplog.text and "random pairs" in caplog.text
    batch = next(search.examples(search.data, pool).iterate(5, 6))
    np.testing.assert_array_equal(batch["ids"], search.random(5))


def test_options_out_of_range():
    for options in ({"candidates": 0}, {"refresh": 0}, {"margin": -0.1}):
        with pytest.raises(InputError, match="must be at least 1, the margin"):
            mining(shifted, **options)
