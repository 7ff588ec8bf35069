"""Costs of programs: operations by hand, and collectives as XLA writes them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding, PartitionSpec

from jaxsim.parallel.chips import CHIPS, GIB, USED_OF_PEAK, Chip
from jaxsim.parallel.cost import collective_bytes, count_work
from jaxsim.parallel.mesh import batch_sharding, make_mesh, replicated


def work_of(function, *shapes):
    arrays = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    return count_work(jax.jit(function).trace(*arrays).jaxpr)


def test_operations_of_products_are_counted():
    found = work_of(jnp.matmul, (3, 5), (5, 7))
    assert found.flops == 2 * 3 * 5 * 7
    assert found.moved_bytes == 4 * (3 * 5 + 5 * 7 + 3 * 7)


def convolve(x, kernel, *, stride=1, groups=1):
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        "VALID",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=groups,
    )


def test_operations_of_convolutions_and_their_gradients_are_counted():
    once = 2 * 2 * 6 * 6 * 3 * 3 * 4 * 5
    image, kernel = (2, 8, 8, 4), (3, 3, 4, 5)
    assert work_of(convolve, image, kernel).flops == once

    def loss(x, k):
        return jnp.sum(convolve(x, k) ** 2)

    # Forward, and the gradients of the kernel and of the image; the last one's borders
    # multiply by zeros.
    both = work_of(jax.grad(loss, (0, 1)), image, kernel).flops
    assert both == 2 * once + once * (8 * 8) / (6 * 6)
    grouped = work_of(lambda x, k: convolve(x, k, groups=4), image, (3, 3, 1, 4))
    assert grouped.flops == 2 * 2 * 6 * 6 * 3 * 3 * 4


def test_loops_count_as_often_as_they_run():
    def looped(x):
        return jax.lax.scan(lambda a, _: (a @ a, None), x, None, length=7)[0]

    assert work_of(looped, (4, 4)).flops == 7 * 2 * 4**3


def program(function, *arguments, out):
    return jax.jit(function, out_shardings=out).lower(*arguments).compile().as_text()


def test_sent_bytes_are_those_of_a_ring():
    mesh = make_mesh()
    rows, whole = batch_sharding(mesh), replicated(mesh)
    x = jax.ShapeDtypeStruct((16, 32), jnp.float32, sharding=rows)
    size = 16 * 32 * 4
    assert collective_bytes(program(lambda x: x * 2, x, out=whole)) == {
        "all-gather": size * 7 / 8
    }
    summed = collective_bytes(program(lambda x: x.sum(0), x, out=whole))
    assert summed == {"all-reduce": 2 * 32 * 4 * 7 / 8}
    assert collective_bytes(program(lambda x: x * 2, x, out=rows)) == {}


def test_collectives_in_loops_count_as_often():
    mesh = make_mesh()
    x = jax.ShapeDtypeStruct((8, 64), jnp.float32, sharding=batch_sharding(mesh))
    columns = NamedSharding(mesh, PartitionSpec(None, "data"))

    def looped(x):
        def body(total, _):
            shown = jax.lax.with_sharding_constraint(jnp.sin(total), columns)
            return jax.lax.with_sharding_constraint(shown, batch_sharding(mesh)), None

        return jax.lax.scan(body, x, None, length=5)[0]

    found = collective_bytes(program(looped, x, out=batch_sharding(mesh)))
    once = 8 * 64 * 4 / 8 * 7 / 8
    assert sum(found.values()) >= 5 * once
    assert sum(found.values()) % 5 == 0


@pytest.mark.parametrize(
    "line, kind, sent",
    [
        (
            "%a = (f32[10]{0}, bf16[4,5]{1,0}) all-reduce(%x, %y), replica_groups="
            "{{0,1,2,3}}",
            "all-reduce",
            2 * 3 / 4 * 80,
        ),
        (
            "%r = f32[10]{0} reduce-scatter(%x), replica_groups=[2,4]<=[8]",
            "reduce-scatter",
            3 / 4 * 4 * 40,
        ),
        (
            "%g = f32[10]{0} all-gather(%x), replica_groups=mesh['a'=8,'b'=4] "
            "{'a':(2)4,'b'}, dimensions={0}",
            "all-gather",
            15 / 16 * 40,
        ),
        ("%p = u8[9]{0} collective-permute(%x)", "collective-permute", 9),
    ],
)
def test_kinds_of_collectives(line, kind, sent):
    text = f"ENTRY %main (x: f32[1]) -> f32[1] {{\n  {line}\n}}\n"
    assert collective_bytes(text) == {kind: pytest.approx(sent)}


def test_a_step_takes_its_slower_half_and_what_it_sends():
    chip = Chip(
        flops=100.0,
        memory_bytes=10 * GIB,
        bandwidth=10.0,
        link=4.0,
        near=8,
        network=1.0,
        source="",
    )
    costs = {"flops": 50.0, "moved_bytes": 1.0, "sent_bytes": 8.0}
    np.testing.assert_allclose(chip.seconds(**costs, devices=8), 0.5 / USED_OF_PEAK + 2)
    np.testing.assert_allclose(chip.seconds(**costs, devices=9), 0.5 / USED_OF_PEAK + 8)
    assert chip.fits(9 * GIB) and not chip.fits(10 * GIB)
    assert all(chip.source for chip in CHIPS.values())
