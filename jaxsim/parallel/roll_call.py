"""Meets the other processes of a job before JAX does, to say in words what is wrong.

JAX ends a process that has waited in vain by an abort, without naming the missing ones,
and processes that compute different programs wait for each other for ever.
"""

import json
import socket
import time
from collections.abc import Mapping
from contextlib import ExitStack

from jaxsim.core.errors import InputError
from jaxsim.parallel.job import Job

RETRY_S = 0.2
MOST_BYTES = 1 << 22
NAMED = 16

Facts = Mapping[str, str]
"""What all processes must have alike: name to value, of one or several lines."""


def roll_call(job: Job, facts: Facts, *, wait_s: float) -> None:
    """Returns when all processes of a job are there and have the same facts.

    Args:
      job: of this process.
      facts: what all must have alike.
      wait_s: for how long to wait for the others.

    Raises:
      InputError: processes are missing, which are named; two have one number; they
        differ in a fact; or process 0 cannot listen. Every process that is there
        raises it.
    """
    if job.count == 1:
        return
    problem = (
        _hear(job, facts, wait_s) if job.rank == 0 else _answer(job, facts, wait_s)
    )
    if problem:
        raise InputError(problem)


def _hear(job: Job, facts: Facts, wait_s: float) -> str | None:
    """Waits for all others, and tells them what is wrong, or that nothing is."""
    deadline = time.monotonic() + wait_s
    port = int(job.address.rpartition(":")[2])
    present: dict[int, socket.socket] = {}
    problem = None
    with ExitStack() as stack:
        try:
            server = stack.enter_context(_listen(port))
        except OSError as error:
            return (
                f"process 0 cannot listen at {job.address}: {error.strerror}. Choose "
                "another port for the coordinator"
            )
        while problem is None and len(present) < job.count - 1:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                problem = _missing(job, present, wait_s)
                break
            server.settimeout(left_s)
            try:
                connection = server.accept()[0]
            except TimeoutError:
                continue
            stack.enter_context(connection)
            connection.settimeout(10)
            said = _read(connection)
            if said is None:
                continue  # Not one of ours, such as a scan of ports.
            rank = said["rank"]
            problem = _objection(job, facts, said, present)
            present.setdefault(rank, connection)
            if present[rank] is not connection:
                _write(connection, {"problem": problem})
        for connection in present.values():
            _write(connection, {"problem": problem})
        for connection in present.values():
            _read(connection)  # The other end closes first, so that the port is free.
    return problem


def _listen(port: int) -> socket.socket:
    """Takes calls by IPv6 too, where there is such."""
    if socket.has_dualstack_ipv6():
        family = socket.AF_INET6
        return socket.create_server(("", port), family=family, dualstack_ipv6=True)
    return socket.create_server(("", port))


def _answer(job: Job, facts: Facts, wait_s: float) -> str | None:
    """Says to process 0 that this one is there, and returns what that finds wrong."""
    deadline = time.monotonic() + wait_s
    host, _, port = job.address.rpartition(":")
    while (left_s := deadline - time.monotonic()) > 0:
        try:
            place = host.strip("[]"), int(port)
            with socket.create_connection(place, timeout=left_s) as connection:
                said = {"rank": job.rank, "count": job.count, "facts": dict(facts)}
                _write(connection, said)
                # Process 0 gives up on its own, and says which others are missing.
                connection.settimeout(left_s + wait_s)
                heard = _read(connection)
                if heard is not None:
                    return heard["problem"]
        except OSError:
            pass
        time.sleep(RETRY_S)
    return (
        f"process 0 was not found at {job.address} within {wait_s:g} s. Start it, and "
        "give an address at which this machine reaches it"
    )


def _missing(job: Job, present: Mapping[int, object], wait_s: float) -> str:
    missing = [rank for rank in range(1, job.count) if rank not in present]
    names = ", ".join(map(str, missing[:NAMED]))
    more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
    return (
        f"{len(missing)} of {job.count} processes did not come to {job.address} within "
        f"{wait_s:g} s: {names}{more}. Look at what these say, or whether their "
        "machines reach that address"
    )


def _objection(
    job: Job, facts: Facts, said: dict, present: Mapping[int, object]
) -> str | None:
    rank = said["rank"]
    if said["count"] != job.count or not 0 < rank < job.count:
        return (
            f"process {rank} is one of {said['count']}, and process 0 one of "
            f"{job.count}. Give all the same number of processes, and each a number of "
            "its own below that"
        )
    if rank in present:
        return f"two processes say that they are process {rank}; number them apart"
    for name, ours in facts.items():
        theirs = said["facts"].get(name, "nothing")
        if theirs != ours:
            return (
                f"process {rank} has another {name} than process 0: "
                f"{_difference(theirs, ours)}. All processes must run one version of "
                "everything, with one config"
            )
    return None


def _difference(theirs: str, ours: str) -> str:
    """Returns the first lines that differ."""
    pairs = zip(
        [*theirs.splitlines(), "nothing"], [*ours.splitlines(), "nothing"], strict=False
    )
    return next(f"'{a.strip()}', not '{b.strip()}'" for a, b in pairs if a != b)


def _write(connection: socket.socket, message: dict) -> None:
    try:
        connection.sendall(json.dumps(message).encode() + b"\n")
    except OSError:
        pass  # Whoever is gone will be missed soon.


def _read(connection: socket.socket) -> dict | None:
    """Returns one message; None if there is none, or none of ours."""
    received = b""
    try:
        while not received.endswith(b"\n") and len(received) < MOST_BYTES:
            part = connection.recv(1 << 16)
            if not part:
                break
            received += part
        message = json.loads(received)
    except (OSError, ValueError):
        return None
    is_ours = isinstance(message, dict) and (
        "problem" in message or {"rank", "count", "facts"} <= message.keys()
    )
    return message if is_ours else None
