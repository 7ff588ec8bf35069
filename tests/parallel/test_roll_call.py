"""The roll call: who is missing, or differs, is named to everyone who is there."""

import socket
from concurrent.futures import ThreadPoolExecutor

import pytest

from jaxsim.core.errors import InputError
from jaxsim.parallel.job import Job
from jaxsim.parallel.roll_call import roll_call

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
