import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.losses.contrastive import contrastive
from jaxsim.ops.distances import distances

GENERATOR = np.random.default_rng(0)
DISTANCES = GENERATOR.uniform(0, 2, 20).astype(np.float32)
MATCHING = GENERATOR.random(20) < 0.4
WEIGHTS = GENERATOR.integers(0, 3, 20).astype(np.float32)


@pytest.mark.parametrize("margin", [1.0, 0.85])
def test_equals_the_loop(margin):
    total = 0.0
    for distance, match, weight in zip(DISTANCES, MATCHING, WEIGHTS, strict=True):
        y, d = int(match), float(distance)
        total += weight * 0.5 * (y * d**2 + (1 - y) * max(0.0, margin - d) ** 2)
    arrays = map(jnp.asarray, (DISTANCES, MATCHING, WEIGHTS))
    found = contrastive(*arrays, margin=margin)
    assert float(found.value) == pytest.approx(total / WEIGHTS.sum(), rel=1e-5)
    assert float(found.count) == WEIGHTS.sum()


def test_matching_pairs_are_pulled_and_near_others_pushed():
    def loss(vectors, match):
        pair = distances(vectors[:1], vectors[1:])[0]
        return contrastive(pair, match[None], jnp.ones(1)).value

    slope = jax.jit(jax.grad(loss))
    yes, no = jnp.array(True), jnp.array(False)
    vectors = jnp.array([[0.0, 0.0], [0.5, 0.0]])
    assert slope(vectors, yes)[1].tolist() == [0.5, 0]
    assert slope(vectors, no)[1].tolist() == [-0.5, 0]
    assert not np.any(slope(3 * vectors, no))
