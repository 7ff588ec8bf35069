"""Which pairs match, pair by pair."""

import jax.numpy as jnp

from jaxsim.ops.pairs import pairs_of_labels


def test_pairs_of_equal_labels_match_but_not_an_image_with_itself():
    labels = [4, 2, 4, 4, 7]
    pairs = pairs_of_labels(jnp.array(labels))
    for i, mine in enumerate(labels):
        for j, other in enumerate(labels):
            assert bool(pairs.counted[i, j]) == (i != j)
            assert bool(pairs.positive[i, j]) == (i != j and mine == other)
            assert bool(pairs.negative[i, j]) == (mine != other)


def test_no_images_have_no_pairs():
    assert pairs_of_labels(jnp.zeros(0, jnp.int32)).relevant.shape == (0, 0)
