"""What every miner promises, whatever its rule."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.losses.triplet import triplet
from jaxsim.ops.distances import distances
from jaxsim.parallel.mesh import batch_sharding, make_mesh
from tests.contracts.miners import MINERS, MinerCase
from tests.miners.batches import chosen, scores

BATCH = 24  # a multiple of the eight devices, and of three
LABELS = np.random.default_rng(5).integers(0, 5, BATCH).astype(np.int32)
SCORES = scores(BATCH)
UNUSABLE = {
    "no positive": np.arange(BATCH, dtype=np.int32),
    "no negative": np.zeros(BATCH, np.int32),
}


@pytest.fixture(params=MINERS)
def case(request) -> MinerCase:
    return MINERS[request.param]


compiled = cache(jax.jit)


def mine(case, labels=LABELS, score=SCORES):
    return compiled(case.mine)(jnp.asarray(labels), jnp.asarray(score))


def test_chosen_triplets_are_triplets(case):
    found = mine(case)
    triplets = chosen(found)
    assert triplets
    for anchor, positive, negative in triplets:
        assert anchor != positive
        assert LABELS[anchor] == LABELS[positive] != LABELS[negative]


@pytest.mark.parametrize("labels", [LABELS, *UNUSABLE.values()])
def test_shapes_types_and_ranges_are_always_the_same(case, labels):
    found = mine(case, labels)
    for positions in found[:3]:
        assert positions.dtype == jnp.int32
        assert positions.shape == (case.size(BATCH),)
        assert ((positions >= 0) & (positions < BATCH)).all()
    assert found.weight.dtype == jnp.float32
    assert set(np.unique(found.weight)) <= {0, 1}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_a_batch_without_triplets_has_no_weight_and_no_gradient(case, kind):
    labels = jnp.asarray(UNUSABLE[kind])
    vectors = jnp.asarray(np.random.default_rng(0).standard_normal((BATCH, 4)), "f4")
    value, slope = loss_and_gradient(case.mine)(vectors, labels)
    assert float(value) == 0
    assert not np.any(slope)


@cache
def loss_and_gradient(miner):
    def loss(vectors, labels):
        found = miner(labels, vectors @ vectors.T)
        apart = distances(vectors, vectors)
        near = apart[found.anchor, found.positive]
        far = apart[found.anchor, found.negative]
        return triplet(near, far, found.weight, margin=1.0).value

    return jax.jit(jax.value_and_grad(loss))


def test_collapsed_descriptors_have_a_finite_gradient(case):
    value, slope = loss_and_gradient(case.mine)(
        jnp.ones((BATCH, 4)), jnp.asarray(LABELS)
    )
    assert np.isfinite(value)
    assert np.isfinite(slope).all()


def test_jit_equals_eager(case):
    eager = case.mine(jnp.asarray(LABELS), jnp.asarray(SCORES))
    assert chosen(mine(case)) == chosen(eager)


@pytest.mark.parametrize("name", [n for n in MINERS if not MINERS[n].by_position])
def test_the_order_of_the_batch_does_not_matter(name):
    case = MINERS[name]
    order = np.random.default_rng(1).permutation(BATCH)
    found = chosen(mine(case, LABELS[order], SCORES[order][:, order]))
    assert sorted(tuple(order[list(rows)]) for rows in found) == chosen(mine(case))


def test_bfloat16_scores_are_compared_as_they_are(case):
    narrow = jnp.asarray(SCORES, jnp.bfloat16)
    wide = narrow.astype(jnp.float32)
    assert chosen(mine(case, score=narrow)) == chosen(mine(case, score=wide))


def test_eight_devices_equal_one(case):
    layout = batch_sharding(make_mesh())
    assert layout.mesh.size == 8
    split = mine(case, *(jax.device_put(x, layout) for x in (LABELS, SCORES)))
    assert chosen(split) == chosen(mine(case))
