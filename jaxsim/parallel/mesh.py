"""The device mesh: the only place that builds one."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

BATCH_AXIS = "batch"


def make_mesh(devices: Sequence[Any] | None = None) -> Mesh:
    """Returns a mesh along one axis, over which batches are split.

    The axis is Auto: the compiler places the collectives. Devices lie in the order of
    their processes, so that the rows of a batch do, too; `jax.make_mesh` may follow the
    wires of a TPU pod instead.

    Args:
      devices: such as `jax.local_devices()`; all of every process if None.
    """
    devices = jax.devices() if devices is None else devices
    ordered = sorted(devices, key=lambda device: (device.process_index, device.id))
    return Mesh(np.array(ordered), (BATCH_AXIS,), axis_types=(AxisType.Auto,))


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """Returns the layout of arrays whose first axis is the batch."""
    return NamedSharding(mesh, PartitionSpec(BATCH_AXIS))


def replicated(mesh: Mesh) -> NamedSharding:
    """Returns the layout of arrays every device holds whole."""
    return NamedSharding(mesh, PartitionSpec())


def round_up_to_devices(batch_size: int, mesh: Mesh) -> int:
    """Returns the smallest multiple of the device count that is >= `batch_size`."""
    return int(np.ceil(batch_size / mesh.size)) * mesh.size
