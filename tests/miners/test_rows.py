import jax.numpy as jnp
import pytest

from jaxsim.core.errors import InputError
from jaxsim.miners.rows import row_triplets
from tests.miners.batches import chosen


def test_rows_in_turn_are_triplets_where_their_labels_agree():
    labels = jnp.array([0, 0, 1, 2, 3, 1, 4, 4, 4, 5, 5, 0])
    found = row_triplets(labels, jnp.zeros((12, 12)))
    assert chosen(found) == [(0, 1, 2), (9, 10, 11)]
    assert found.weight.tolist() == [1, 0, 0, 1]


def test_other_batches_are_refused():
    with pytest.raises(InputError, match="multiple of 3; got 4"):
        row_triplets(jnp.zeros(4, jnp.int32), jnp.zeros((4, 4)))
