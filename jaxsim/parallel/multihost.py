"""Several processes that train one model."""

import os

import jax
import numpy as np
from jax.sharding import NamedSharding

from jaxsim.core.errors import InputError


def start() -> None:
    """Joins the processes of one job, if the environment says there are several.

    JAX_COORDINATOR_ADDRESS (host:port), JAX_NUM_PROCESSES and JAX_PROCESS_ID name them;
    on Slurm, Open MPI and Cloud TPU pods JAX finds them itself once
    JAX_COORDINATOR_ADDRESS=auto is set. Must be called before any array is made.

    Raises:
      InputError: the coordinator cannot be reached.
    """
    address = os.environ.get("JAX_COORDINATOR_ADDRESS")
    if not address or jax.distributed.is_initialized():
        return
    try:
        if address == "auto":
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


def any_process(flag: bool) -> bool:
    """Returns whether the flag is set in any process; all must call it together."""
    if jax.process_count() == 1:
        return flag
    from jax.experimental import multihost_utils

    return bool(np.any(multihost_utils.process_allgather(np.array(flag))))


def put_batch(arrays: dict[str, np.ndarray], sharding: NamedSharding) -> dict:
    """Returns arrays on the devices, each process giving its own rows."""
    return {
        name: jax.make_array_from_process_local_data(sharding, array)
        for name, array in arrays.items()
    }
