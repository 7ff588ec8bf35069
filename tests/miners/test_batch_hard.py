import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.miners.batch_hard import batch_hard
from tests.miners.batches import LABELS, chosen, negatives, positives, scores


@pytest.mark.parametrize("decimals", [7, 0])
def test_equals_the_loop_with_ties_by_position(decimals):
    score = np.round(scores(), decimals)
    expected = []
    for anchor in range(len(LABELS)):
        if positives(LABELS, anchor):
            row = score[anchor]
            hardest_positive = min(
                positives(LABELS, anchor), key=lambda i, row=row: (row[i], i)
            )
            hardest_negative = min(
                negatives(LABELS, anchor), key=lambda i, row=row: (-row[i], i)
            )
            expected.append((anchor, hardest_positive, hardest_negative))
    found = batch_hard(jnp.asarray(LABELS), jnp.asarray(score))
    assert chosen(found) == expected
    assert found.anchor.tolist() == list(range(len(LABELS)))
