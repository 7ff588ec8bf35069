"""Which process of which job this is, by the environment or a command's options."""

from collections.abc import Mapping
from typing import NamedTuple

from jaxsim.core.errors import InputError

ADDRESS = "JAX_COORDINATOR_ADDRESS"
COUNT, RANK = "JAX_NUM_PROCESSES", "JAX_PROCESS_ID"
OPTIONS = {
    ADDRESS: "--coordinator",
    COUNT: "--num-processes",
    RANK: "--process-id",
}
"""What commands call the variables."""
AUTO = "auto"
_ASKING_S = 300


class Job(NamedTuple):
    """This process among those of its job.

    Attributes:
      address: "host:port" of process 0, at which it listens.
      count: number of processes.
      rank: of this one, from 0.
      devices: ids of the machine's devices that it takes; None leaves it to JAX.
    """

    address: str
    count: int
    rank: int
    devices: tuple[int, ...] | None = None


def job_from(
    environment: Mapping[str, str], options: Mapping[str, str] | None = None
) -> Job | None:
    """Returns this process's place in its job; None where there is no job.

    JAX_COORDINATOR_ADDRESS (host:port), JAX_NUM_PROCESSES and JAX_PROCESS_ID name it;
    with JAX_COORDINATOR_ADDRESS=auto it is found as JAX does, on Slurm, under Open MPI,
    on Cloud TPU pods and in the JobSets of GKE. JAX_LOCAL_DEVICE_IDS are the devices of
    this process.

    Args:
      environment: such as `os.environ`.
      options: of a command, by the variables in whose place they stand; messages speak
        of what was used.

    Raises:
      InputError: they say only a part of that.
    """
    options = options or {}

    def shown(variable: str) -> str:
        """Returns what the user calls it, or should."""
        missing = variable not in environment
        by_option = variable in options or (missing and ADDRESS in options)
        return OPTIONS[variable] if by_option else variable

    given = {**environment, **options}
    address = given.get(ADDRESS)
    if not address:
        if options:
            raise InputError(
                f"{' and '.join(map(shown, options))}: --coordinator HOST:PORT is "
                "missing, where process 0 listens"
            )
        return None
    devices = _local_devices(given.get("JAX_LOCAL_DEVICE_IDS"))
    here = (
        f"{shown(ADDRESS)} {address}" if ADDRESS in options else f"{ADDRESS}={address}"
    )
    if address == AUTO:
        return _detected(devices, here, instead=f"{shown(COUNT)} and {shown(RANK)}")
    for variable in (COUNT, RANK):
        if not given.get(variable, "").removeprefix("-").isdecimal():
            found = f"is {given[variable]!r}" if variable in given else "is missing"
            raise InputError(
                f"{here}: {shown(variable)} {found}; it must be a whole number"
            )
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise InputError(f"{here} is no host:port, such as machine1:29400")
    if not 1 <= int(port) <= 65535:
        raise InputError(f"{here}: the port is {port}; it must be 1 to 65535")
    count, rank = int(given[COUNT]), int(given[RANK])
    if count < 1:
        raise InputError(f"{here}: {shown(COUNT)} is {count}; it must be 1 or more")
    if not 0 <= rank < count:
        raise InputError(
            f"process {rank} of {count} ({shown(RANK)}): they are numbered from 0 to "
            f"{count - 1}"
        )
    return Job(address, count, rank, devices)


def _local_devices(ids: str | None) -> tuple[int, ...] | None:
    try:
        return tuple(map(int, ids.split(","))) if ids else None
    except ValueError as error:
        raise InputError(
            f"JAX_LOCAL_DEVICE_IDS={ids} are no whole numbers with commas between"
        ) from error


def _detected(devices: tuple[int, ...] | None, here: str, *, instead: str) -> Job:
    # There is no public way to ask JAX without joining at once.
    from jax._src.clusters import ClusterEnv

    address, count, rank, found = ClusterEnv.auto_detect_unset_distributed_params(
        None, None, None, devices, None, _ASKING_S
    )
    if address is None or count is None or rank is None:
        raise InputError(
            f"{here}, but neither Slurm, nor Open MPI, nor a TPU says which process "
            f"this is. Give host:port there, and {instead}"
        )
    return Job(address, count, rank, None if found is None else tuple(found))
