"""The device mesh: the only place that builds one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxsim.core.errors import InputError

DATA_AXIS, FSDP_AXIS = "data", "fsdp"
AXES = (DATA_AXIS, FSDP_AXIS)
"""Batches are split over both axes; parameters over the second alone."""


@dataclass(frozen=True, kw_only=True)
class MeshShape:
    """How many devices lie along each axis.

    What is trained does not depend on it, only where the numbers lie.

    Attributes:
      data: groups of devices that each hold the whole state; None takes as many as the
        devices allow.
      fsdp: devices of a group, among which its state is cut; 1 cuts nothing.
      whole: patterns of paths, such as "backbone/first/*", of parameters that are held
        whole nevertheless.

    Raises:
      InputError: a number is below 1.
    """

    data: int | None = None
    fsdp: int = 1
    whole: tuple[str, ...] = ()

    def __post_init__(self):
        if self.fsdp < 1 or (self.data is not None and self.data < 1):
            raise InputError(
                f"a mesh of data={self.data}, fsdp={self.fsdp}: each axis needs at "
                "least 1 device"
            )

    def sizes(self, devices: int) -> tuple[int, int]:
        """Returns the length of each axis on so many devices.

        Raises:
          InputError: they do not make such a mesh.
        """
        data = self.data if self.data is not None else devices // self.fsdp
        if data * self.fsdp != devices:
            wanted = f"{self.fsdp} (fsdp)"
            if self.data is not None:
                wanted = f"{self.data} (data) x {wanted}"
            there = "1 device does" if devices == 1 else f"{devices} devices do"
            raise InputError(
                f"{there} not make a mesh of {wanted}. Set mesh.fsdp to a "
                "divisor of the number of devices, and leave mesh.data out to take "
                "all that there are"
            )
        return data, self.fsdp


def parse_mesh(text: str) -> MeshShape:
    """Reads "data=64,fsdp=4".

    Raises:
      InputError: an axis that does not exist, or no whole number.

    >>> parse_mesh("data=64,fsdp=4")
    MeshShape(data=64, fsdp=4, whole=())
    """
    sizes: dict[str, int] = {}
    for part in text.split(","):
        name, _, number = part.strip().partition("=")
        if name not in AXES:
            raise InputError(
                f"a mesh has no axis '{name}'; its axes are {' and '.join(AXES)}, such "
                "as data=64,fsdp=4"
            )
        if not number.isdecimal() or name in sizes:
            raise InputError(
                f"'{text}' does not say once how long the axis {name} is; write it "
                "such as data=64,fsdp=4"
            )
        sizes[name] = int(number)
    return MeshShape(data=sizes.get(DATA_AXIS, 1), fsdp=sizes.get(FSDP_AXIS, 1))


def make_mesh(
    devices: Sequence[Any] | None = None, *, shape: MeshShape | None = None
) -> Mesh:
    """Returns a mesh of data x fsdp devices, over all of which batches are split.

    The axes are Auto: the compiler places the collectives. Devices lie in the order of
    their processes, so that the rows of a batch do, too, and so that the state is cut
    among neighbours; `jax.make_mesh` may follow the wires of a TPU pod instead.

    Args:
      devices: such as `jax.local_devices()`; all of every process if None.
      shape: how long the axes are; by default the state is not cut.

    Raises:
      InputError: the devices do not make such a mesh.
    """
    devices = jax.devices() if devices is None else devices
    ordered = sorted(devices, key=lambda device: (device.process_index, device.id))
    sizes = (shape or MeshShape()).sizes(len(ordered))
    return Mesh(
        np.array(ordered).reshape(sizes), AXES, axis_types=(AxisType.Auto,) * len(AXES)
    )


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """Returns the layout of arrays whose first axis is the batch."""
    return NamedSharding(mesh, PartitionSpec(AXES))


def replicated(mesh: Mesh) -> NamedSharding:
    """Returns the layout of arrays every device holds whole."""
    return NamedSharding(mesh, PartitionSpec())


def round_up_to_devices(batch_size: int, mesh: Mesh) -> int:
    """Returns the smallest multiple of the device count that is >= `batch_size`."""
    return int(np.ceil(batch_size / mesh.size)) * mesh.size
