"""Several processes that train one model."""

import atexit
import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding

from jaxsim.core.environment import versions
from jaxsim.core.errors import InputError, JaxsimError
from jaxsim.core.rows import filled
from jaxsim.parallel.job import ADDRESS, Job, job_from
from jaxsim.parallel.mesh import batch_sharding, replicated
from jaxsim.parallel.roll_call import Facts, roll_call

# At the end the others wait for the first process, which still makes the report.
WAIT_AT_END_S = 3600
WAIT_AT_START_S = 300.0
_OF_LOST_PEERS = (
    "closed by peer",
    "Connection reset",
    "Connection refused",
    "remote process exited",
    "heartbeat",
)
_ROWS_AT_ONCE = 8192
HEARTBEAT_S = 30
"""After which a process that shows no life is taken for dead, and ends all others."""


def start(
    job: Job | None = None,
    *,
    facts: Facts | None = None,
    wait_s: float = WAIT_AT_START_S,
) -> None:
    """Joins the processes of one job, if there are several.

    Must be called before any array is made.

    Args:
      job: of this process; by default that of the environment, see `job_from`.
      facts: what all processes must have alike, beside the versions of the libraries.
      wait_s: for how long to wait for the others.

    Raises:
      InputError: processes are missing or differ from each other; or the environment
        does not say which process this is.
    """
    job = job_from(os.environ) if job is None else job
    if job is None or jax.distributed.is_initialized():
        return
    ours = {name: text for name, text in versions().items() if name != "python"}
    roll_call(job, ours | dict(facts or {}), wait_s=wait_s)
    # JAX would take the word "auto" for an address.
    os.environ.pop(ADDRESS, None)
    # Its handler would swallow the SIGTERM that `stop_on_signals` is not yet there for.
    jax.config.update("jax_enable_preemption_service", False)
    try:
        jax.distributed.initialize(
            job.address,
            job.count,
            job.rank,
            local_device_ids=job.devices,
            heartbeat_timeout_seconds=HEARTBEAT_S,
            shutdown_timeout_seconds=WAIT_AT_END_S,
        )
    except (LookupError, ValueError, RuntimeError) as error:
        raise InputError(
            f"cannot join the processes at {job.address}: {error}. Give all a host and "
            "port at which the first listens, their number, and each its own"
        ) from error


def is_first_process() -> bool:
    """Whether this process writes files and speaks to the user."""
    return jax.process_index() == 0


def require_one_process() -> None:
    """Raises InputError in a job of several processes."""
    if jax.process_count() > 1:
        raise InputError(
            f"{jax.process_count()} processes cannot write one file: give --parts N, "
            "at least as many as processes, and a folder for --out"
        )


@contextmanager
def ending_at_once_on_errors() -> Iterator[None]:
    """Lets an error end this process without a meeting of all processes.

    JAX makes a process that exits wait until all do. Here the others wait for this one
    in the middle of a step, and end when its connections are closed.

    Raises:
      JaxsimError: in place of an error of JAX that tells of a lost connection.
    """
    try:
        yield
    except BaseException as error:
        if jax.process_count() == 1:
            raise
        lost = _lost_connection(error)
        # Handlers run from the last to the first, so JAX's is not reached.
        atexit.register(_exit_at_once, lost or error)
        if lost:
            raise lost from error
        raise


def _lost_connection(error: BaseException) -> JaxsimError | None:
    text = str(error).partition("\n")[0]
    if not isinstance(error, jax.errors.JaxRuntimeError) or not any(
        word in text for word in _OF_LOST_PEERS
    ):
        return None
    return JaxsimError(
        f"another process of the job has ended or cannot be reached ({text}). See what "
        "it said; the same command, given to all processes, goes on from what was kept"
    )


def _exit_at_once(error: BaseException) -> None:
    if isinstance(error, jax.errors.JaxRuntimeError):
        text = "another process of the job may have failed first: see what it said"
        print(text, file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    # The codes of `jaxsim.cli.main`, which are lost here.
    kinds = (JaxsimError, 2), (KeyboardInterrupt, 130), (BaseException, 1)
    os._exit(next(code for kind, code in kinds if isinstance(error, kind)))


def wait_for_all(purpose: str) -> None:
    """Returns when all processes have called it for the same purpose."""
    if jax.process_count() > 1:
        from jax.experimental import multihost_utils

        multihost_utils.sync_global_devices(purpose)


def rows_of_all(own: np.ndarray, sizes: Sequence[int] | np.ndarray) -> np.ndarray:
    """Returns the rows of all processes, one process after the other.

    Args:
      own: [n, …], rows of this process; all must call together.
      sizes: n of every process.
    """
    if jax.process_count() == 1 or not max(sizes):
        return own
    from jax.experimental import multihost_utils

    step = max(1, _ROWS_AT_ONCE // jax.process_count())
    starts = np.cumsum([0, *sizes])
    whole = np.empty((starts[-1], *own.shape[1:]), own.dtype)
    for done in range(0, max(sizes), step):
        most = min(step, max(sizes) - done)
        block = filled(own[done : done + most], most)
        # All devices hold it for a moment.
        gathered = multihost_utils.process_allgather(block)
        for part, start, size in zip(gathered, starts, sizes, strict=False):
            count = min(most, max(0, size - done))
            whole[start + done : start + done + count] = part[:count]
    return whole


def json_of_all(own: Any) -> list[Any]:
    """Returns what can be written as JSON of every process; all must call together."""
    data = np.frombuffer(json.dumps(own).encode(), np.uint8)
    ones = np.ones(jax.process_count(), int)
    sizes = rows_of_all(np.array([len(data)], np.int32), ones)
    whole = rows_of_all(data, sizes).tobytes()
    ends = np.cumsum(sizes)
    return [
        json.loads(whole[end - size : end])
        for end, size in zip(ends, sizes, strict=True)
    ]


def require_alike(facts: Facts, *, hint: str) -> None:
    """Raises InputError in all processes of a job if they differ.

    Args:
      facts: what must be alike, the same names in all; all must call together.
      hint: how to mend it.
    """
    first, *others = json_of_all(dict(facts))
    for number, theirs in enumerate(others, start=1):
        differing = [
            f"{name} ({theirs[name]}) than process 0 ({first[name]})"
            for name in first
            if theirs[name] != first[name]
        ]
        if differing:
            raise InputError(
                f"process {number} has other {' and other '.join(differing)}. {hint}"
            )


def put_batch(arrays: dict[str, np.ndarray], sharding: NamedSharding) -> dict:
    """Returns arrays on the devices, each process giving its own rows."""
    return {
        name: jax.make_array_from_process_local_data(sharding, array)
        for name, array in arrays.items()
    }


def put_everywhere(tree: Any, mesh: Mesh, layout: Any = None) -> Any:
    """Returns the arrays of the first process on the devices of all.

    What processes compute for themselves may differ in its last bits, and nothing would
    bring it together again.

    Args:
      tree: a pytree of the same shapes in every process; all must call together.
      mesh: the devices.
      layout: the sharding of each array; None holds all of them whole.
    """
    layout = replicated(mesh) if layout is None else layout
    if jax.process_count() == 1:
        return jax.device_put(tree, layout)
    from jax.experimental import multihost_utils

    def put(array, sharding: NamedSharding):
        array = np.asarray(array)
        return jax.make_array_from_callback(array.shape, sharding, array.__getitem__)

    tree = multihost_utils.broadcast_one_to_all(tree)
    if isinstance(layout, NamedSharding):
        return jax.tree.map(lambda array: put(array, layout), tree)
    return jax.tree.map(put, tree, layout)


def gathered(tree: Any, mesh: Mesh) -> Any:
    """Returns arrays whole on the host, wherever their parts lie.

    Args:
      tree: arrays on the mesh, or numpy arrays; all processes must call together.
      mesh: the devices.
    """
    is_here = all(
        not isinstance(x, jax.Array) or x.is_fully_addressable or x.is_fully_replicated
        for x in jax.tree.leaves(tree)
    )
    if not is_here:
        tree = jax.jit(lambda x: x, out_shardings=replicated(mesh))(tree)
    return jax.device_get(tree)


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
