"""Proposals: those of a naive search, inside the image, whatever the padding."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.core.errors import InputError
from jaxsim.nn.features import Features
from jaxsim.nn.pooling import Rmac
from jaxsim.nn.region_proposals import RegionProposals
from jaxsim.ops.boxes import decode, overlaps
from jaxsim.ops.regions import rmac_grid

GENERATOR = np.random.default_rng(0)
SIZES = [(9, 12), (12, 5), (12, 12)]
MAPS = GENERATOR.normal(size=(3, 12, 12, 5)).astype(np.float32) ** 2
VALID = jnp.array(SIZES, jnp.int32)
FEATURES = Features(jnp.asarray(MAPS), VALID)
MODULE = RegionProposals(count=20, channels=8)


@pytest.fixture(scope="module")
def variables():
    """Layers so large that proposals move far from their anchors, and off the image."""
    drawn = MODULE.init(jax.random.key(0), FEATURES)
    return jax.tree.map(lambda x: 20 * x, drawn)


@pytest.fixture(scope="module")
def propose():
    return jax.jit(MODULE.apply)


def test_proposals_are_those_of_a_naive_search(variables, propose):
    found = propose(variables, FEATURES)
    scored = MODULE.apply(variables, FEATURES, method="score")
    for image, (height, width) in enumerate(SIZES):
        boxes = np.asarray(decode(scored.offsets[image], scored.boxes[image]))
        boxes = np.clip(boxes, 0, [height, width, height, width])
        tall = (boxes[:, 2:] - boxes[:, :2] >= 1).all(1)
        usable = np.flatnonzero(np.asarray(scored.present[image]) & tall)
        order = usable[np.argsort(-np.asarray(scored.logits[image])[usable])]
        apart = np.asarray(overlaps(jnp.asarray(boxes), jnp.asarray(boxes)))
        chosen: list[int] = []
        for i in order:
            if len(chosen) < 20 and all(apart[i, j] <= 0.7 for j in chosen):
                chosen.append(int(i))
        assert 3 < len(chosen)
        present = np.asarray(found.present[image])
        assert present.sum() == len(chosen)
        np.testing.assert_allclose(
            found.boxes[image][present], boxes[chosen], rtol=1e-5, atol=1e-5
        )
        assert np.all(np.diff(found.logits[image][present]) <= 0)


def test_padding_gives_no_proposals_and_changes_none(variables, propose):
    found = propose(variables, FEATURES)
    hostile = jnp.where(FEATURES.mask()[..., None], FEATURES.map, 1e6)
    again = propose(variables, Features(hostile, VALID))
    jax.tree.map(np.testing.assert_array_equal, again, found)
    for row, (height, width) in enumerate(SIZES):
        inside = found.boxes[row] <= jnp.array([[height, width, height, width]])
        assert inside.all() and (found.boxes[row] >= 0).all()
        alone = Features(jnp.asarray(MAPS[row : row + 1, :height, :width]))
        for one, both in zip(propose(variables, alone), found, strict=True):
            np.testing.assert_allclose(one[0], both[row], rtol=1e-4, atol=1e-4)


def test_a_descriptor_of_proposals_does_not_depend_on_padding(variables):
    module = Rmac(proposals=MODULE)
    given = {"params": {"proposals": variables["params"]}}
    pool = jax.jit(module.apply)
    padded = pool(given, FEATURES)
    grid = Rmac().apply({}, FEATURES)
    assert not np.allclose(padded, grid, rtol=1e-2)
    for row, (height, width) in enumerate(SIZES):
        alone = Features(jnp.asarray(MAPS[row : row + 1, :height, :width]))
        np.testing.assert_allclose(pool(given, alone)[0], padded[row], rtol=1e-4)


@pytest.mark.parametrize("whiten_dim", [None, 3])
def test_given_the_boxes_of_the_grid_it_pools_as_the_grid(whiten_dim):
    module = Rmac(whiten_dim=whiten_dim)
    given = module.init(jax.random.key(0), FEATURES)
    squares, present = rmac_grid(VALID)
    y, x, side = jnp.moveaxis(squares, -1, 0)
    boxes = jnp.stack([y, x, y + side, x + side], axis=-1).astype(jnp.float32)
    found = module.apply(given, FEATURES, boxes, present, method="pool_boxes")
    np.testing.assert_allclose(found, module.apply(given, FEATURES), rtol=1e-6)


def test_an_image_without_proposals_is_one_region():
    features = Features(jnp.ones((1, 1, 1, 4)))
    module = Rmac(proposals=RegionProposals(count=20, channels=2, scales=(0.1,)))
    given = module.init(jax.random.key(0), features)
    found = module.apply(given, features, method="propose")
    assert found.present[0].tolist() == [True] + 19 * [False]
    assert found.boxes[0, 0].tolist() == [0, 0, 1, 1]
    np.testing.assert_allclose(module.apply(given, features), np.ones((1, 4)) / 2)


def test_no_gradient_flows_through_where_proposals_are(variables):
    module = Rmac(proposals=MODULE)
    given = {"params": {"proposals": variables["params"]}}

    @jax.jit
    @partial(jax.grad, argnums=(0, 1))
    def slopes(given, maps):
        return module.apply(given, Features(maps, VALID)).sum()

    of_layers, of_maps = slopes(given, FEATURES.map)
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(of_layers))
    assert np.isfinite(of_maps).all() and np.any(of_maps)
    assert not np.asarray(of_maps)[~np.asarray(FEATURES.mask())].any()


@pytest.mark.parametrize(
    "options",
    [
        {"count": 0},
        {"channels": 0},
        {"overlap": 0.0},
        {"scales": ()},
        {"ratios": (-1.0,)},
    ],
)
def test_options_out_of_range(options):
    with pytest.raises(InputError, match="above 0"):
        RegionProposals(**options).init(jax.random.key(0), FEATURES)


def test_a_grid_proposes_nothing():
    with pytest.raises(InputError, match="proposes none"):
        Rmac().apply({}, FEATURES, method="propose")
