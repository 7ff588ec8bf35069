"""Meshes: their axes, and what cannot be one."""

import jax
import pytest

from jaxsim.core.errors import InputError
from jaxsim.parallel.layout import cut_dimension, layout
from jaxsim.parallel.mesh import MeshShape, make_mesh, parse_mesh


def test_devices_lie_along_two_axes_in_their_order():
    mesh = make_mesh(shape=MeshShape(fsdp=4))
    assert dict(mesh.shape) == {"data": 2, "fsdp": 4}
    assert mesh.devices.ravel().tolist() == jax.devices()
    assert dict(make_mesh().shape) == {"data": 8, "fsdp": 1}


@pytest.mark.parametrize(
    "text, message",
    [
        ("model=4", "no axis 'model'; its axes are data and fsdp"),
        ("data", "how long the axis data is"),
        ("data=two", "how long the axis data is"),
        ("data=2,data=4", "once"),
        ("data=0", "at least 1 device"),
    ],
)
def test_what_is_no_mesh_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        parse_mesh(text)


@pytest.mark.parametrize("shape", [MeshShape(fsdp=3), MeshShape(data=2, fsdp=2)])
def test_devices_that_do_not_make_the_mesh_are_refused(shape):
    with pytest.raises(InputError, match="8 devices do not make a mesh of"):
        make_mesh(shape=shape)
    with pytest.raises(InputError, match="^1 device does not make a mesh of"):
        make_mesh(jax.devices()[:1], shape=MeshShape(fsdp=2))


@pytest.mark.parametrize(
    "path, shape, wanted",
    [
        ("params/a/kernel", (3, 3, 64, 128), 3),
        ("params/a/kernel", (1, 1, 2048, 512), 2),
        ("params/a/kernel", (7, 7, 64, 66), 2),
        ("params/a/kernel", (99, 99), None),
        ("params/a/bias", (2048,), None),
        ("optimiser/0/mu/head/kernel", (512, 512), None),
    ],
)
def test_the_longest_even_dimension_of_large_arrays_is_cut(path, shape, wanted):
    assert cut_dimension(path, shape, 4, whole=("head/*",)) == wanted
    assert cut_dimension(path, shape, 1) is None


def test_a_layout_follows_the_rules():
    mesh = make_mesh(shape=MeshShape(fsdp=8))
    shapes = {"kernel": jax.ShapeDtypeStruct((64, 128), "float32"), "step": None}
    found = layout(shapes, mesh)
    assert found["kernel"].spec == jax.sharding.PartitionSpec(None, "fsdp")
    assert found["step"] is None
