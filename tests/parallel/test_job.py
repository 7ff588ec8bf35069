"""Which process this is: by variables, by options, and by clusters."""

import pytest

from jaxsim.core.errors import InputError
from jaxsim.parallel.job import OPTIONS, Job, job_from


def test_the_environment_names_the_job():
    named = {"JAX_COORDINATOR_ADDRESS": "h:1", "JAX_NUM_PROCESSES": "2"}
    assert job_from({}) is None
    assert job_from(named | {"JAX_PROCESS_ID": "1"}) == Job("h:1", 2, 1)
    devices = {"JAX_PROCESS_ID": "1", "JAX_LOCAL_DEVICE_IDS": "0,1"}
    assert job_from(named | devices) == Job("h:1", 2, 1, (0, 1))
    for wrong, message in (
        ({}, "JAX_COORDINATOR_ADDRESS=h:1: JAX_PROCESS_ID is missing"),
        ({"JAX_PROCESS_ID": "x"}, "JAX_PROCESS_ID is 'x'; it must be a whole number"),
        (
            {"JAX_PROCESS_ID": "2"},
            r"2 of 2 \(JAX_PROCESS_ID\): .* numbered from 0 to 1",
        ),
        ({"JAX_PROCESS_ID": "-1"}, "numbered from 0"),
        (devices | {"JAX_LOCAL_DEVICE_IDS": "a"}, "JAX_LOCAL_DEVICE_IDS=a are no"),
        (devices | {"JAX_COORDINATOR_ADDRESS": "h"}, "ADDRESS=h is no host:port"),
        (
            devices | {"JAX_COORDINATOR_ADDRESS": "h:65536"},
            "ADDRESS=h:65536: the port is 65536; it must be 1 to 65535",
        ),
        (devices | {"JAX_COORDINATOR_ADDRESS": "h:0"}, "the port is 0; it must be"),
        (
            devices | {"JAX_NUM_PROCESSES": "0"},
            "ADDRESS=h:1: JAX_NUM_PROCESSES is 0; it must be 1 or more",
        ),
        (devices | {"JAX_NUM_PROCESSES": "-2"}, "JAX_NUM_PROCESSES is -2; it must be"),
    ):
        with pytest.raises(InputError, match=message) as error:
            job_from(named | wrong)
        assert "--" not in str(error.value)


ADDRESS, COUNT, RANK = OPTIONS


@pytest.mark.parametrize(
    "environment, options, message",
    [
        ({}, {ADDRESS: "h:1"}, "--coordinator h:1: --num-processes is missing"),
        ({COUNT: "2"}, {ADDRESS: "h:1"}, "--coordinator h:1: --process-id is missing"),
        ({COUNT: "x"}, {ADDRESS: "h:1"}, "h:1: JAX_NUM_PROCESSES is 'x'"),
        ({}, {COUNT: "2", RANK: "0"}, "--num-processes and --process-id: --coord"),
        ({}, {ADDRESS: "h", COUNT: "2", RANK: "0"}, "--coordinator h is no host:port"),
        ({}, {ADDRESS: "h:99999", COUNT: "2", RANK: "0"}, "--coordinator h:99999: the"),
        ({}, {ADDRESS: "h:1", COUNT: "0", RANK: "0"}, "--num-processes is 0; it must"),
        ({}, {ADDRESS: "h:1", COUNT: "2", RANK: "2"}, r"2 of 2 \(--process-id\)"),
        ({ADDRESS: "h:1", COUNT: "2"}, {RANK: "2"}, r"2 of 2 \(--process-id\)"),
    ],
)
def test_messages_speak_of_what_was_used(environment, options, message):
    with pytest.raises(InputError, match=message) as error:
        job_from(environment, options)
    assert "JAX_" not in str(error.value) or COUNT in environment


def test_the_last_port_is_one():
    assert job_from({ADDRESS: "h:65535", COUNT: "1", RANK: "0"}) == Job("h:65535", 1, 0)


def test_options_go_before_the_environment():
    named = {ADDRESS: "h:1", COUNT: "2", RANK: "0"}
    assert job_from(named, {RANK: "1"}) == Job("h:1", 2, 1)


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
    with pytest.raises(InputError, match=r"ADDRESS=auto, but neither Slurm.*JAX_NUM"):
        job_from({"JAX_COORDINATOR_ADDRESS": "auto"})
    with pytest.raises(InputError, match=r"--coordinator auto, but .* --num-processes"):
        job_from({}, {ADDRESS: "auto"})
