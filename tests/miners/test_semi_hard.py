import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.miners.semi_hard import semi_hard
from tests.miners.batches import LABELS, chosen, negatives, positives, scores


@pytest.mark.parametrize("decimals", [7, 1, 0])
def test_equals_the_loop_with_ties_by_position(decimals):
    score = np.round(scores(), decimals)
    expected, without = [], 0
    for anchor in range(len(LABELS)):
        row = score[anchor]
        for positive in positives(LABELS, anchor):
            farther = [
                negative
                for negative in negatives(LABELS, anchor)
                if row[negative] < row[positive]
            ]
            without += not farther
            if farther:
                nearest = min(farther, key=lambda i, row=row: (-row[i], i))
                expected.append((anchor, positive, nearest))
    found = jax.jit(semi_hard)(jnp.asarray(LABELS), jnp.asarray(score))
    assert chosen(found) == sorted(expected)
    assert without > 0  # the batch holds pairs nearer than which is no negative


def test_an_equally_far_negative_is_not_farther():
    labels = jnp.array([0, 0, 1])
    found = jax.jit(semi_hard)(labels, jnp.full((3, 3), 0.5))
    assert not found.weight.any()
