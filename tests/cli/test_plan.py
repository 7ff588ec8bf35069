"""`jaxsim plan`: a step compiled for devices that are not there."""

import dataclasses
import json

import pytest

from jaxsim.cli.main import main
from jaxsim.parallel.chips import CHIPS

CONFIG = "configs/scenes_triplet.py"


def planned(tmp_path, *words) -> dict:
    out = tmp_path / "plan.json"
    assert main(["plan", CONFIG, "--json", str(out), *words]) == 0
    document = json.loads(out.read_text())
    assert document["settings"] == {
        "config": CONFIG,
        "set": [],
        "mesh": words[1],
        "labels": 1000,
        "chip": None,
    }
    return document["metrics"]


def test_a_plan_tells_memory_and_bytes_for_sixteen_devices(tmp_path, capsys):
    found = planned(tmp_path, "--mesh", "data=4,fsdp=4")
    assert found["devices"] == 16
    # Adam keeps two moments; of each device's quarter of the parameters.
    assert found["parameter_bytes"] < 4 * found["parameters"] / 2
    assert found["temporary_bytes"] > 0 and found["flops"] > 0
    # Parameters are gathered once and gradients summed once: no activations travel.
    size = 4 * found["parameters"]
    assert 0.5 * size < found["sent_bytes/all-gather"] < 1.1 * size
    assert 1.5 * size < found["sent_bytes/all-reduce"] < 2.1 * size
    assert found["h100/fits"] == 1 and 0 < found["h100/step_s"] < 1
    text = capsys.readouterr().out
    # One unit for everything that is counted in bytes.
    assert "1 GiB is 2^30 bytes" in text and " MB" not in text and " GB" not in text
    assert "sent by all-" in text
    assert "16 devices" in text and "NVIDIA H100 SXM data sheet" in text


def test_devices_share_the_work_and_adam_keeps_two_moments(tmp_path, capsys):
    alone = planned(tmp_path, "--mesh", "data=1")
    assert capsys.readouterr().out.startswith("1 device, ")
    shared = planned(tmp_path, "--mesh", "data=4")
    assert 4 * shared["flops"] == pytest.approx(alone["flops"])
    assert 4 * shared["batch_bytes"] == alone["batch_bytes"]
    # Counts of steps stand beside the moments.
    for found in (alone, shared):
        assert found["parameter_bytes"] == 4 * found["parameters"]
        assert 0 <= found["optimiser_bytes"] - 2 * found["parameter_bytes"] < 64


def test_what_stays_whole_is_planned(capsys):
    words = ["plan", CONFIG, "--mesh", "data=1,fsdp=4", "--json", "-", "--set"]
    found = []
    for whole in ("()", "('*',)"):
        assert main([*words, f"mesh.whole={whole}"]) == 0
        found.append(json.loads(capsys.readouterr().out)["metrics"])
    assert found[1]["parameter_bytes"] > 3 * found[0]["parameter_bytes"]


def test_a_step_that_does_not_fit_is_refused(monkeypatch, capsys):
    small = dataclasses.replace(CHIPS["v5e"], memory_bytes=2**26)
    monkeypatch.setitem(CHIPS, "v5e", small)
    assert main(["plan", CONFIG, "--mesh", "data=4", "--chip", "v5e"]) == 2
    told = capsys.readouterr()
    assert "does not fit" in told.out
    assert "the step does not fit on v5e: it needs" in told.err
    assert main(["plan", CONFIG, "--mesh", "data=4", "--chip", "h100"]) == 0


@pytest.mark.parametrize(
    "words, message",
    [
        (["--mesh", "model=4"], "no axis 'model'"),
        (
            ["--mesh", "data=7"],
            "(sampler.triplets=128) does not split",
        ),
        (["--mesh", "data=9999"], "at most 4096"),
        (["--mesh", "data=2", "--set", "mesh.fsdp=2"], "from --mesh alone"),
    ],
)
def test_meshes_that_cannot_be_are_refused(capsys, words, message):
    assert main(["plan", CONFIG, *words]) == 2
    assert message in capsys.readouterr().err
