"""Pooling against loops over cells, with padding that must not count."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.ops.pooling import box_maxima, gem, mac, spoc, square_maxima
from jaxsim.parallel.cost import collective_bytes
from jaxsim.parallel.mesh import batch_sharding, make_mesh

GENERATOR = np.random.default_rng(0)
SIZES = [(5, 7), (7, 3), (7, 7)]
MAPS = np.abs(GENERATOR.normal(size=(3, 7, 7, 4))).astype(np.float32)
MASK = np.zeros((3, 7, 7), bool)
for image, (height, width) in enumerate(SIZES):
    MASK[image, :height, :width] = True

POOLINGS = {
    "spoc": (spoc, lambda x: x.mean(0)),
    "mac": (mac, lambda x: x.max(0)),
    "gem": (lambda m, k: gem(m, k, 3.0), lambda x: (x**3).mean(0) ** (1 / 3)),
}


@pytest.mark.parametrize("name", POOLINGS)
def test_pooling_equals_the_loop_over_valid_cells(name):
    pool, naive = POOLINGS[name]
    expected = [
        naive(x[:h, :w].reshape(-1, 4)) for x, (h, w) in zip(MAPS, SIZES, strict=True)
    ]
    np.testing.assert_allclose(jax.jit(pool)(MAPS, MASK), expected, rtol=1e-5)


@pytest.mark.parametrize("name", POOLINGS)
def test_what_lies_in_the_padding_does_not_matter(name):
    pool, _ = POOLINGS[name]
    hostile = jnp.where(MASK[..., None], MAPS, 1e6)
    mask = jnp.asarray(MASK)
    np.testing.assert_array_equal(pool(jnp.asarray(MAPS), mask), pool(hostile, mask))


@pytest.mark.parametrize("name", POOLINGS)
def test_gradients_are_finite_and_stay_inside_the_mask(name):
    pool, _ = POOLINGS[name]
    mask = jnp.asarray(MASK)
    gradient = jax.grad(lambda maps: pool(maps, mask).sum())(jnp.asarray(MAPS * 0))
    assert np.isfinite(gradient).all()
    assert not np.asarray(gradient)[~MASK].any()


def test_gem_of_published_values():
    maps = jnp.array([1.0, 2.0, 3.0, 0.0]).reshape(1, 2, 2, 1)
    value = gem(maps, jnp.ones((1, 2, 2), bool), 3.0)
    np.testing.assert_allclose(value, [[2.080084]], rtol=1e-6)


def test_square_maxima_equal_the_loop():
    squares = np.array(
        [
            (y, x, side)
            for side in range(1, 8)
            for y in range(0, 8 - side)
            for x in range(0, 8 - side)
        ],
        np.int32,
    )
    batch = np.broadcast_to(squares, (3, *squares.shape))
    found = jax.jit(square_maxima)(MAPS, batch)
    for row, (y, x, side) in enumerate(squares):
        expected = MAPS[:, y : y + side, x : x + side].max((1, 2))
        np.testing.assert_array_equal(found[:, row], expected)


def test_box_maxima_equal_the_loop_over_every_box():
    edges = [(low, high) for low in range(7) for high in range(low + 1, 8)]
    boxes = np.array([(y0, x0, y1, x1) for y0, y1 in edges for x0, x1 in edges])
    batch = np.broadcast_to(boxes.astype(np.int32), (3, *boxes.shape))
    found = jax.jit(box_maxima)(MAPS, batch)
    for row, (y0, x0, y1, x1) in enumerate(boxes):
        expected = MAPS[:, y0:y1, x0:x1].max((1, 2))
        np.testing.assert_array_equal(found[:, row], expected)


@pytest.mark.parametrize(
    ("maxima", "numbers"), [(square_maxima, (1, 2, 3)), (box_maxima, (1, 2, 4, 6))]
)
def test_devices_that_share_a_batch_send_each_other_nothing(maxima, numbers):
    def both(maps, regions):
        found, back = jax.vjp(lambda m: maxima(m, regions), maps)
        return found, back(found)

    by_image = batch_sharding(make_mesh())
    maps = jnp.asarray(MAPS[:1]).repeat(16, 0)
    regions = jnp.broadcast_to(jnp.array(numbers, jnp.int32), (16, 5, len(numbers)))
    program = jax.jit(both, in_shardings=by_image, out_shardings=by_image)
    assert collective_bytes(program.lower(maps, regions).compile().as_text()) == {}


def test_the_gradient_of_a_box_goes_to_its_largest_cell():
    boxes = jnp.array([[[1, 2, 4, 6]]] * 3, jnp.int32)
    gradient = jax.grad(lambda maps: box_maxima(maps, boxes).sum())(jnp.asarray(MAPS))
    expected = np.zeros_like(MAPS)
    for image in range(3):
        for channel in range(4):
            part = MAPS[image, 1:4, 2:6, channel]
            y, x = np.unravel_index(part.argmax(), part.shape)
            expected[image, 1 + y, 2 + x, channel] = 1
    np.testing.assert_array_equal(gradient, expected)
