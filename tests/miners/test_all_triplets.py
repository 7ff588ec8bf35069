import jax.numpy as jnp

from jaxsim.miners.all_triplets import all_triplets
from tests.miners.batches import LABELS, chosen, negatives, positives, scores


def test_every_triplet_comes_once():
    found = all_triplets(jnp.asarray(LABELS), jnp.asarray(scores()))
    assert chosen(found) == [
        (anchor, positive, negative)
        for anchor in range(len(LABELS))
        for positive in positives(LABELS, anchor)
        for negative in negatives(LABELS, anchor)
    ]
    assert found.weight.shape == (len(LABELS) ** 3,)
