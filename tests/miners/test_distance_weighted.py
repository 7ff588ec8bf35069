"""Distance-weighted negatives: drawn as often as the formula says."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.miners.distance_weighted import distance_weighted
from tests.miners.batches import LABELS, chosen, negatives, positives, scores

DRAWS = 3000
SCORES = jnp.asarray(scores(seed=3))


def naive_probabilities(row, labels, anchor, dimension, cutoff, nonzero_loss_cutoff):
    """Returns the probability of each negative, following the definition."""
    apart = {n: math.sqrt(2 - 2 * float(row[n])) for n in negatives(labels, anchor)}
    near = {n: d for n, d in apart.items() if d < nonzero_loss_cutoff}
    if not near:
        return {n: 1 / len(apart) for n in apart}
    inverse = {}
    for n, d in near.items():
        d = max(d, cutoff)
        density = d ** (dimension - 2) * (1 - d**2 / 4) ** ((dimension - 3) / 2)
        inverse[n] = 1 / density
    return {n: weight / sum(inverse.values()) for n, weight in inverse.items()}


def frequencies(triplets, count):
    """Returns how often each negative came with each anchor and positive."""
    table = np.zeros((count, count, count))
    a, p, n = (np.asarray(x).ravel() for x in triplets[:3])
    np.add.at(table, (a, p, n), np.asarray(triplets.weight).ravel())
    return table / DRAWS


@pytest.mark.parametrize(
    "options",
    [
        {"dimension": 4, "cutoff": 0.5, "nonzero_loss_cutoff": 1.4},
        {"dimension": 3, "cutoff": 0.2, "nonzero_loss_cutoff": 0.8},
    ],
)
def test_negatives_are_drawn_as_often_as_the_formula_says(options):
    keys = jax.random.split(jax.random.key(0), DRAWS)
    draw = partial(distance_weighted, jnp.asarray(LABELS), SCORES)
    found = jax.jit(jax.vmap(lambda key: draw(key=key, **options)))(keys)
    table = frequencies(found, len(LABELS))
    even = 0
    for anchor in range(len(LABELS)):
        expected = np.zeros(len(LABELS))
        shares = naive_probabilities(SCORES[anchor], LABELS, anchor, **options)
        expected[list(shares)] = list(shares.values())
        even += len(set(shares.values())) == 1
        for positive in positives(LABELS, anchor):
            # Four standard deviations of a share, and a little for the rarest.
            bound = 4 * np.sqrt(expected * (1 - expected) / DRAWS) + 1e-3
            assert (np.abs(table[anchor, positive] - expected) <= bound).all()
            assert not table[anchor, positive][expected == 0].any()
    if options["nonzero_loss_cutoff"] == 0.8:
        assert even > 0  # some anchors have no negative so near


@jax.jit
def draw(key, score):
    """Draws from the batch as if it had 512 dimensions, with distances up to 2."""
    return distance_weighted(
        jnp.asarray(LABELS), score, key=key, dimension=512, nonzero_loss_cutoff=3.0
    )


def test_every_pair_that_has_a_negative_gets_one():
    found = chosen(draw(jax.random.key(0), SCORES))
    assert [(a, p) for a, p, _ in found] == [
        (anchor, positive)
        for anchor in range(len(LABELS))
        for positive in positives(LABELS, anchor)
    ]


def test_the_key_decides():
    even = jnp.zeros_like(SCORES)
    first, again, other = (chosen(draw(jax.random.key(i), even)) for i in (1, 1, 2))
    assert first == again != other


@pytest.mark.parametrize("cosine", [1.0, 0.0, -1.0])
def test_equal_distances_at_the_ends_are_drawn_evenly(cosine):
    """In 512 dimensions densities reach 1e-100 and below; nothing may overflow."""
    found = draw(jax.random.key(0), jnp.full_like(SCORES, cosine))
    drawn = chosen(found)
    assert len(drawn) == sum(len(positives(LABELS, a)) for a in range(len(LABELS)))
    assert len({negative for _, _, negative in drawn}) > 5
