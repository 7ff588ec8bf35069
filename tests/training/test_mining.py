"""Mined triplets: hard ones, of images that have a label and can be used."""

import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.parallel.mesh import MeshShape, make_mesh
from jaxsim.training.mining import MinedTriplets, PoolMining, hardest_on
from jaxsim.training.state import TrainState

LABELS = np.array([0, 0, 0, 1, 1, 1, 2, 2, -1, -1, -1, -1], np.int32)
STATE = TrainState(
    step=jnp.int32(0), params={}, collections={}, optimiser=(), average=None, pool={}
)


def vectors_of(ids):
    """Descriptors on a circle, a label's images apart from each other."""
    angles = np.random.default_rng(0).uniform(0, 6, len(LABELS))[ids]
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def mining(describe=lambda state, ids: vectors_of(ids), **options):
    settings = {"triplets": 4, "pool_size": 100, "hardest": 3, "margin": 0.5}
    return PoolMining(labels=LABELS, describe=describe, **{**settings, **options})


def real(pool):
    """The triplets of weight 1."""
    images = np.asarray(pool["images"]).reshape(-1, 3)
    return images[np.asarray(pool["weights"]).ravel() > 0]


def test_triplets_are_the_hardest_of_the_pool():
    found = {tuple(row) for row in real(mining().mine(STATE, 0)).tolist()}
    vectors, expected = vectors_of(np.arange(len(LABELS))), set()
    labelled = range(8)
    for a in labelled:
        losses = []
        for p in labelled:
            for n in labelled:
                if p != a and LABELS[p] == LABELS[a] != LABELS[n]:
                    near, far = (np.sum((vectors[a] - vectors[x]) ** 2) for x in (p, n))
                    losses.append((0.5 + near - far, (a, p, n)))
        losses.sort(reverse=True)
        expected |= {triplet for loss, triplet in losses[:3] if loss > 0}
    assert found == expected and len(expected) > 8


@pytest.mark.parametrize("images", [5, 61])
def test_eight_devices_find_the_triplets_of_one(images):
    random = np.random.default_rng(0)
    vectors = random.integers(-2, 3, (images, 4)).astype(np.float32)
    labels = random.integers(0, 3, images).astype(np.int32)
    expected, found = (
        hardest_on(mesh, vectors, labels, hardest=6, margin=0.5)
        for mesh in (None, make_mesh(shape=MeshShape(fsdp=2)))
    )
    assert expected.weight.any()
    for name in expected._fields:
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))


def test_images_without_a_label_are_never_drawn():
    pool = mining().mine(STATE, 0)
    empty = mining().empty()
    assert {k: (v.shape, v.dtype) for k, v in pool.items()} == {
        k: (v.shape, v.dtype) for k, v in empty.items()
    }
    assert (LABELS[real(pool)] >= 0).all()


def test_an_image_that_cannot_be_used_is_in_no_triplet():
    def describe(state, ids):
        return np.where((ids == 4)[:, None], 0, vectors_of(ids)).astype(np.float32)

    triplets = real(mining(describe).mine(STATE, 0))
    assert len(triplets) and 4 not in triplets


def test_pools_are_drawn_anew_from_the_seed_and_the_step():
    pools = []

    def describe(state, ids):
        pools.append(ids.tolist())
        return vectors_of(ids)

    for seed, step in ((0, 0), (0, 3), (1, 0), (0, 0)):
        mining(describe, pool_size=5, seed=seed).mine(STATE, step)
    assert pools[0] == pools[3] and len({tuple(pool) for pool in pools}) == 3
    assert all(len(set(pool)) == 5 and max(pool) < 8 for pool in pools)


def test_batches_draw_uniform_anchors_and_then_one_of_their_triplets():
    images = np.array(
        [[[0, 1, 3], [0, 2, 4]], [[3, 4, 0], [3, 5, 1]], [[6, 7, 0], [6, 7, 1]]],
        np.int32,
    )
    weights = np.array([[1, 0], [1, 1], [0, 0]], np.float32)
    sampler = MinedTriplets(images, weights, 50, 0)
    batch = sampler(3).reshape(-1, 3)
    assert sampler.batch_size == 150 == batch.size
    np.testing.assert_array_equal(sampler(3), batch.ravel())
    assert not np.array_equal(sampler(4), batch.ravel())
    counts = {
        triplet: (batch == triplet).all(axis=1).sum()
        for triplet in [(0, 1, 3), (3, 4, 0), (3, 5, 1)]
    }
    assert sum(counts.values()) == 50  # never one of weight 0
    assert 15 <= counts[0, 1, 3] <= 35 and min(counts.values()) >= 4


def test_without_any_triplet_that_costs_all_are_drawn():
    images = np.arange(6, dtype=np.int32).reshape(2, 1, 3)
    sampler = MinedTriplets(images, np.zeros((2, 1), np.float32), 20, 0)
    assert set(sampler(0).tolist()) == set(range(6))


def test_settings_that_cannot_be():
    with pytest.raises(InputError, match="at least 1"):
        mining(refresh=0)
    with pytest.raises(InputError, match="none of the images has a label"):
        PoolMining(
            labels=np.full(3, -1, np.int32),
            describe=lambda state, ids: vectors_of(ids),
            triplets=1,
        )
