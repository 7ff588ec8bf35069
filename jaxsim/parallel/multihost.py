"""Several processes that train one model."""

import os
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding

from jaxsim.core.errors import InputError
from jaxsim.parallel.mesh import batch_sharding, replicated

ADDRESS = "JAX_COORDINATOR_ADDRESS"
AUTO = "auto"


def start() -> None:
    """Joins the processes of one job, if the environment says there are several.

    JAX_COORDINATOR_ADDRESS (host:port), JAX_NUM_PROCESSES and JAX_PROCESS_ID name them;
    on Slurm, Open MPI and Cloud TPU pods JAX finds them itself if
    JAX_COORDINATOR_ADDRESS=auto. Must be called before any array is made.

    Raises:
      InputError: the coordinator cannot be reached.
    """
    address = os.environ.get(ADDRESS)
    if not address or jax.distributed.is_initialized():
        return
    # Its handler would swallow the SIGTERM that `stop_on_signals` is not yet there for.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        if address == AUTO:
            # JAX would take the word for an address.
            del os.environ[ADDRESS]
            jax.distributed.initialize()
        else:
            jax.distributed.initialize(
                address,
                int(os.environ["JAX_NUM_PROCESSES"]),
                int(os.environ["JAX_PROCESS_ID"]),
            )
    except (KeyError, ValueError, RuntimeError) as error:
        raise InputError(
            f"cannot join the processes at {address}: {error}. Set JAX_NUM_PROCESSES "
            "and JAX_PROCESS_ID in every process, and a reachable host:port"
        ) from error


def is_first_process() -> bool:
    """Whether this process writes files and speaks to the user."""
    return jax.process_index() == 0


def put_batch(arrays: dict[str, np.ndarray], sharding: NamedSharding) -> dict:
    """Returns arrays on the devices, each process giving its own rows."""
    return {
        name: jax.make_array_from_process_local_data(sharding, array)
        for name, array in arrays.items()
    }


def put_everywhere(tree: Any, mesh: Mesh) -> Any:
    """Returns the arrays of the first process, whole on every device.

    What processes compute for themselves may differ in its last bits, and nothing would
    bring it together again.

    Args:
      tree: a pytree of the same shapes in every process; all must call together.
      mesh: the devices.
    """
    if jax.process_count() == 1:
        return jax.device_put(tree, replicated(mesh))
    from jax.experimental import multihost_utils

    return jax.tree.map(
        lambda array: jax.make_array_from_process_local_data(
            replicated(mesh), np.asarray(array)
        ),
        multihost_utils.broadcast_one_to_all(tree),
    )


class AnyProcess:
    """Tells all processes alike whether one of them has raised a flag.

    Nobody waits: a call starts the question and returns the answer to the one before.

    Args:
      mesh: the devices of all processes.
    """

    def __init__(self, mesh: Mesh):
        self._sharding = batch_sharding(mesh)
        self._any = jax.jit(jnp.any, out_shardings=replicated(mesh))
        self._asked: jax.Array | None = None

    def __call__(self, flag: bool) -> bool:
        """Raises this process's flag, or does not; all must call together.

        Returns:
          Whether any process raised its flag at the call before this one; with one
          process alone, the flag.
        """
        if jax.process_count() == 1:
            return flag
        before = self._asked
        flags = np.full(jax.local_device_count(), flag)
        self._asked = self._any(
            jax.make_array_from_process_local_data(self._sharding, flags)
        )
        return before is not None and bool(before)
