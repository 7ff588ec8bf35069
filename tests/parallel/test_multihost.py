"""What a process of a job says when another has gone."""

import jax
import pytest

from jaxsim.core.errors import InputError, JaxsimError
from jaxsim.parallel import multihost


@pytest.fixture
def leavings(monkeypatch) -> list:
    """Errors with which a process of two would end."""
    found: list = []
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    monkeypatch.setattr(
        multihost.atexit, "register", lambda _, error: found.append(error)
    )
    return found


def test_a_lost_connection_is_told_in_words(leavings):
    broken = jax.errors.JaxRuntimeError(
        "UNKNOWN: Gloo AllGather failed: Connection closed by peer\nat line 1"
    )
    with (
        pytest.raises(JaxsimError, match=r"has ended .*closed by peer\). See what it"),
        multihost.ending_at_once_on_errors(),
    ):
        raise broken
    assert isinstance(leavings[0], JaxsimError)


@pytest.mark.parametrize(
    "error",
    [
        jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory"),
        jax.errors.JaxRuntimeError("INTERNAL: NCCL operation: unhandled cuda error"),
        InputError("no such file"),
        KeyboardInterrupt(),
    ],
)
def test_other_errors_stay_what_they_are(leavings, error):
    with pytest.raises(type(error)) as found, multihost.ending_at_once_on_errors():
        raise error
    assert found.value is error and leavings == [error]


def test_processes_must_be_alike(monkeypatch):
    every = [{"images": "3", "boxes": "1"}, {"images": "3", "boxes": "2"}]
    monkeypatch.setattr(multihost, "json_of_all", lambda own: every)
    with pytest.raises(InputError, match=r"process 1 has other boxes \(2\) than .*\(1"):
        multihost.require_alike(every[0], hint="Mend it")
    monkeypatch.setattr(multihost, "json_of_all", lambda own: every[:1] * 2)
    multihost.require_alike(every[0], hint="Mend it")
