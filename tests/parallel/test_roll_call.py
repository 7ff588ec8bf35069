"""The roll call: who is missing, or differs, is named to everyone who is there."""

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from jaxsim.core.errors import InputError
from jaxsim.parallel.multihost import job_from
from jaxsim.parallel.roll_call import Job, roll_call

FACTS = {"jax": "1.0", "config": "steps = 3\nseed = 0"}


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("localhost", 0))
        return free.getsockname()[1]


def call(
    jobs: list[tuple[int, int, dict]], wait_s: float = 30.0, host: str = "localhost"
) -> list[str | None]:
    """Returns what each process, of (count, rank, facts), is told."""
    address = f"{host}:{free_port()}"

    def one(job) -> str | None:
        count, rank, facts = job
        try:
            return roll_call(Job(address, count, rank), facts, wait_s=wait_s)
        except InputError as error:
            return str(error)

    with ThreadPoolExecutor(len(jobs)) as threads:
        return list(threads.map(one, jobs))


def test_all_go_on_when_all_are_there():
    for _ in range(2):
        assert call([(3, rank, FACTS) for rank in (2, 0, 1)]) == [None] * 3
    assert call([(1, 0, FACTS)]) == [None]


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="no IPv6 here")
def test_an_address_of_ipv6_is_answered():
    assert call([(2, 1, FACTS), (2, 0, FACTS)], 10.0, "[::1]") == [None] * 2


def test_the_missing_are_named_to_those_who_are_there():
    for told in call([(4, 0, FACTS), (4, 2, FACTS)], wait_s=1.0):
        assert told and "2 of 4 processes did not come" in told
        assert "within 1 s: 1, 3." in told


def test_a_missing_first_process_is_named():
    (told,) = call([(2, 1, FACTS)], wait_s=0.5)
    assert told and "process 0 was not found at localhost:" in told


@pytest.mark.parametrize(
    "job, message",
    [
        (
            (2, 1, FACTS | {"jax": "1.1"}),
            "another jax than process 0: '1.1', not '1.0'",
        ),
        (
            (2, 1, FACTS | {"config": "steps = 3\nseed = 1"}),
            "another config than process 0: 'seed = 1', not 'seed = 0'",
        ),
        ((3, 1, FACTS), "process 1 is one of 3, and process 0 one of 2"),
        ((2, 5, FACTS), "process 5 is one of 2"),
    ],
)
def test_processes_that_differ_are_told_apart(job, message):
    for told in call([(2, 0, FACTS), job]):
        assert told and message in told


def test_two_with_one_number_are_refused():
    told = call([(3, 0, FACTS), (3, 1, FACTS), (3, 1, FACTS)])
    assert all(text and "say that they are process 1" in text for text in told)


def test_strangers_at_the_door_do_no_harm():
    address = f"localhost:{free_port()}"
    port = int(address[10:])
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(roll_call, Job(address, 2, 0), FACTS, wait_s=30.0)
        while True:
            try:
                with socket.create_connection(("localhost", port)) as stranger:
                    stranger.sendall(b"GET / HTTP/1.1\r\n\r\n\n")
                break
            except OSError:
                continue
        second = threads.submit(roll_call, Job(address, 2, 1), FACTS, wait_s=30.0)
        assert first.result() is None and second.result() is None


def test_a_port_in_use_is_refused():
    with socket.create_server(("", 0)) as taken:
        job = Job(f"localhost:{taken.getsockname()[1]}", 2, 0)
        with pytest.raises(InputError, match="cannot listen at localhost"):
            roll_call(job, FACTS, wait_s=1.0)


def test_the_environment_names_the_job():
    named = {"JAX_COORDINATOR_ADDRESS": "h:1", "JAX_NUM_PROCESSES": "2"}
    assert job_from({}) is None
    assert job_from(named | {"JAX_PROCESS_ID": "1"}) == Job("h:1", 2, 1)
    devices = {"JAX_PROCESS_ID": "1", "JAX_LOCAL_DEVICE_IDS": "0,1"}
    assert job_from(named | devices) == Job("h:1", 2, 1, (0, 1))
    for wrong in (named, named | {"JAX_PROCESS_ID": "x"}):
        with pytest.raises(InputError, match="needs host:port there"):
            job_from(wrong)
    for rank in ("2", "-1"):
        with pytest.raises(InputError, match="numbered from 0 to 1"):
            job_from(named | {"JAX_PROCESS_ID": rank})


SLURM = {
    "SLURM_JOB_ID": "7",
    "SLURM_STEP_NODELIST": "node[03-05],other",
    "SLURM_NTASKS": "3",
    "SLURM_PROCID": "2",
    "SLURM_LOCALID": "0",
}
OPEN_MPI = {
    "OMPI_MCA_orte_hnp_uri": "1531576320.0;tcp://10.96.0.1,10.148.0.1:34911",
    "OMPI_COMM_WORLD_SIZE": "3",
    "OMPI_COMM_WORLD_RANK": "2",
    "OMPI_COMM_WORLD_LOCAL_RANK": "0",
}


@pytest.mark.parametrize(
    "variables, host",
    [(SLURM, "node03"), (OPEN_MPI, "10.96.0.1")],
    ids=["slurm", "mpi"],
)
def test_a_cluster_names_the_job(monkeypatch, variables, host):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("JAX_COORDINATOR_ADDRESS", "auto")
    monkeypatch.setenv("JAX_COORDINATOR_PORT", "1234")
    found = job_from({"JAX_COORDINATOR_ADDRESS": "auto"})
    assert found is not None and found[:3] == (f"{host}:1234", 3, 2)


def test_auto_without_a_cluster_is_refused(monkeypatch):
    for name in (*SLURM, *OPEN_MPI):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(InputError, match="neither Slurm"):
        job_from({"JAX_COORDINATOR_ADDRESS": "auto"})
