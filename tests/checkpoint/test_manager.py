"""What goes in comes out, the right ones are kept, and mistakes are named."""

import json
import logging
import os
import subprocess
import sys
import threading
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.checkpoint import manager
from jaxsim.checkpoint.manager import Checkpoints
from jaxsim.core.errors import InputError
from tests.checkpoint.states import everywhere, like, require_same_bits, state

ROOT = Path(__file__).parents[2]
EXTRA = {"config": {"lr": 0.1, "name": "Zürich"}, "rows": [3, 1], "none": None}
SMALL = {"w": jnp.arange(4.0)}


def test_a_state_comes_back_bit_by_bit(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(3, state(3), EXTRA)
    with Checkpoints(tmp_path) as checkpoints:
        found, extra = checkpoints.restore(
            checkpoints.latest(), like(state(3), sharding=everywhere())
        )
        assert checkpoints.extra(3) == EXTRA
    require_same_bits(found, state(3))
    assert extra == EXTRA
    assert found["params"]["head"]["kernel"].sharding == everywhere()


def test_without_a_sharding_arrays_go_to_the_first_device(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, state(1), {})
        found, _ = checkpoints.restore(1, like(state(1)))
    assert found["key"].devices() == {jax.devices()[0]}


def test_an_array_may_change_place_between_jax_and_numpy(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, SMALL, {})
        found, _ = checkpoints.restore(1, {"w": np.zeros(4, np.float32)})
    assert isinstance(found["w"], np.ndarray)
    np.testing.assert_array_equal(found["w"], SMALL["w"])


def test_the_last_ones_and_the_best_are_kept(tmp_path):
    metrics = {1: 0.2, 2: 0.9, 3: 0.9, 4: None, 5: float("nan"), 6: 0.1}
    with Checkpoints(tmp_path, keep_last=2) as checkpoints:
        assert checkpoints.latest() is None and checkpoints.best() is None
        for step, metric in metrics.items():
            checkpoints.save(step, SMALL, {"step": step}, metric)
            assert checkpoints.latest() == step
        assert checkpoints.best() == 3
    assert steps_in(tmp_path) == [3, 5, 6]
    with Checkpoints(tmp_path) as checkpoints:
        assert (checkpoints.latest(), checkpoints.best()) == (6, 3)
        assert checkpoints.extra(3) == {"step": 3}


def test_the_best_can_be_let_go(tmp_path):
    with Checkpoints(tmp_path, keep_last=1, keep_best=False) as checkpoints:
        for step in (1, 2, 3):
            checkpoints.save(step, SMALL, {}, -float(step))
    assert steps_in(tmp_path) == [3]


def test_no_metric_means_no_best(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, SMALL, {})
        assert checkpoints.best() is None


def steps_in(folder: Path) -> list[int]:
    return sorted(int(p.name) for p in folder.iterdir() if not p.name.startswith("."))


def test_arrays_may_be_given_away_or_changed_as_soon_as_save_returns(tmp_path):
    triple = jax.jit(lambda x: 3 * x, donate_argnums=0)
    device = jax.device_put(np.arange(1e6, dtype=np.float32), everywhere())
    host = np.arange(10)
    triple(jnp.copy(device))  # compiled before it is needed
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, {"device": device, "host": host}, {})
        for _ in range(5):
            device = triple(device)
        host[:] = -1
        found, _ = checkpoints.restore(
            1, like({"device": device, "host": host}, sharding=everywhere())
        )
    np.testing.assert_array_equal(found["device"], np.arange(1e6, dtype=np.float32))
    np.testing.assert_array_equal(found["host"], np.arange(10))


def test_eight_devices_to_one_and_back(tmp_path):
    assert jax.device_count() == 8
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, state(1), {"devices": 8})
    done = subprocess.run(
        [sys.executable, "-m", "tests.checkpoint.one_device", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"XLA_FLAGS": "--xla_force_host_platform_device_count=1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    with Checkpoints(tmp_path) as checkpoints:
        wanted = state(2)
        shapes = jax.tree.map(
            lambda x: (
                jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding)
                if isinstance(x, jax.Array)
                else x
            ),
            wanted,
        )
        found, extra = checkpoints.restore(2, shapes)
    require_same_bits(found, wanted)
    kernel = found["params"]["head"]["kernel"]
    assert len(kernel.sharding.device_set) == 8
    assert kernel.addressable_shards[0].data.shape == (2, 8)
    assert extra == {"devices": 1}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda s: s["params"]["head"].update(kernel=jnp.zeros((16, 9))),
            r"'params/head/kernel' is float32 \[16, 8\] in the checkpoint of step 1, "
            r"but float32 \[16, 9\]",
        ),
        (
            lambda s: s["params"].update(half=jnp.zeros((8, 3))),
            r"'params/half' is bfloat16 \[8, 3\] .* but float32 \[8, 3\]",
        ),
        (
            lambda s: s["params"].update(tail={"bias": jnp.zeros(2)}),
            r"has no 'params/tail/bias', which float32 \[2\]",
        ),
        (lambda s: s.pop("key"), r"holds 'key', uint32 \[2\]"),
        (
            lambda s: s.update(moments=s["moments"][0]),
            "has no 'moments/count', which int32",
        ),
    ],
)
def test_another_structure_names_the_first_array_that_differs(
    tmp_path, change, message
):
    other = state(1)
    change(other)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, state(1), {})
        with pytest.raises(InputError, match=message):
            checkpoints.restore(1, like(other))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"a": {"b": 3.0}}, "'a/b' of the state is a float; only JAX and numpy"),
        ({"a": "text"}, "'a' of the state is a str"),
        ({"a": np.float32(1)}, "'a' of the state is a float32"),
        ({"a": np.array(["text"])}, "'a' of the state has the dtype <U4"),
        ({"a": np.array([None])}, "'a' of the state has the dtype object"),
        ({"key": jax.random.key(0)}, "dtype key<fry>.*key_data"),
        ({"a": jnp.zeros((0, 3))}, r"'a' of the state is empty, of shape \[0, 3\]"),
        ({"a": None}, "holds no array"),
        ({"a/b": jnp.ones(1), "a": {"b": jnp.ones(1)}}, "two parts .* 'a/b'"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_name(tmp_path, given, message):
    with Checkpoints(tmp_path / "new") as checkpoints:
        with pytest.raises(InputError, match=message):
            checkpoints.save(1, given, {})
        assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"a": np.int64(1)}, "must be JSON"),
        ({"a": float("nan")}, "must be JSON"),
        ({"a": (1, 2)}, "lists instead of tuples"),
        ({"a": {1: "b"}}, "text as keys"),
    ],
)
def test_extra_that_json_would_change_is_refused(tmp_path, extra, message):
    with Checkpoints(tmp_path) as checkpoints:
        with pytest.raises(InputError, match=message):
            checkpoints.save(1, SMALL, extra)


@pytest.mark.parametrize("step", [4, 5])
def test_steps_only_rise(tmp_path, step):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(5, SMALL, {})
        with pytest.raises(InputError, match=f"of step {step} cannot follow .* 5"):
            checkpoints.save(step, SMALL, {})


def test_negative_steps_are_refused(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        with pytest.raises(InputError, match=">= 0, not -1"):
            checkpoints.save(-1, SMALL, {})


def test_a_missing_step_says_which_there_are(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        with pytest.raises(InputError, match="no checkpoint of step 1. It has none"):
            checkpoints.restore(1, SMALL)
        checkpoints.save(5, SMALL, {})
        with pytest.raises(InputError, match=r"no checkpoint of step 1. .* \[5\]"):
            checkpoints.restore(1, SMALL)


def test_a_newer_format_is_refused(tmp_path, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(manager, "FORMAT", 2)
        with Checkpoints(tmp_path) as checkpoints:
            checkpoints.save(1, SMALL, {})
    with Checkpoints(tmp_path) as checkpoints:
        with pytest.raises(InputError, match="format 2, written by jaxsim .* up to"):
            checkpoints.restore(1, SMALL)


def test_foreign_folders_are_refused_untouched(tmp_path):
    (tmp_path / "2019").mkdir()
    (tmp_path / "2019" / "photo.jpg").write_bytes(b"x")
    with pytest.raises(InputError, match="holds no checkpoints"):
        Checkpoints(tmp_path)
    with pytest.raises(InputError, match="is a file"):
        Checkpoints(tmp_path / "2019" / "photo.jpg")
    assert [p.name for p in tmp_path.iterdir()] == ["2019"]


def test_keeping_none_is_refused(tmp_path):
    with pytest.raises(InputError, match="at least 1"):
        Checkpoints(tmp_path, keep_last=0)


def test_two_runs_cannot_write_to_one_folder_but_others_can_read(tmp_path):
    with Checkpoints(tmp_path) as first, Checkpoints(tmp_path) as second:
        first.save(1, SMALL, {})
        first.wait()
        assert second.latest() == 1
        second.restore(1, SMALL)
        with pytest.raises(InputError, match="another run is writing"):
            second.save(2, SMALL, {})
        first.close()
        second.save(2, SMALL, {})


def test_what_a_dead_run_left_is_removed_by_the_next_save(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, SMALL, {})
    left = tmp_path / "2.orbax-checkpoint-tmp"
    left.mkdir()
    (left / "data").write_bytes(b"half")
    with Checkpoints(tmp_path) as checkpoints:
        assert checkpoints.latest() == 1
        assert left.exists()  # it may be in the making by another process
        checkpoints.save(3, SMALL, {})
    assert not left.exists()


@pytest.mark.parametrize("part", ["about/metadata", "state/manifest.ocdbt", "data"])
def test_damage_is_named(tmp_path, part):
    noise = {"w": np.random.default_rng(0).normal(size=100_000)}
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, noise, {})
    victim = tmp_path / "1" / part
    if part == "data":
        files = [p for p in (tmp_path / "1").rglob("*") if p.is_file()]
        victim = max(files, key=lambda path: path.stat().st_size)
        assert victim.stat().st_size > 100_000
    victim.write_bytes(victim.read_bytes()[: victim.stat().st_size // 2])
    with Checkpoints(tmp_path) as checkpoints:
        message = "step 1 .* is damaged: .* no other one; delete .*/1 to begin anew"
        with pytest.raises(InputError, match=message):
            checkpoints.restore(1, noise)


def test_damage_is_mended_by_the_checkpoints_that_are_there(tmp_path):
    with Checkpoints(tmp_path, keep_last=3) as checkpoints:
        for step in (1, 2, 3):
            checkpoints.save(step, SMALL, {})
    for step, mend in (
        (3, f"delete {tmp_path / '3'} to go on from that of step 2"),
        (1, r"Delete .*1; those of steps \[2, 3\] stay"),
    ):
        (tmp_path / str(step) / "about" / "metadata").write_bytes(b"{")
        with Checkpoints(tmp_path) as checkpoints:
            with pytest.raises(InputError, match=f"is damaged: .*{mend}$"):
                checkpoints.restore(step, SMALL)


def test_nothing_is_said_on_the_screen(tmp_path, caplog, capfd):
    with caplog.at_level(logging.INFO):
        with Checkpoints(tmp_path) as checkpoints:
            checkpoints.save(1, state(1), {}, None)
            checkpoints.restore(1, like(state(1)))
    assert caplog.records == []
    assert capfd.readouterr() == ("", "")


def test_the_folder_is_readable_without_us(tmp_path):
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(7, state(7), {"a": 1})
    about = json.loads((tmp_path / "7" / "about" / "metadata").read_text())
    assert about["extra"] == {"a": 1}
    assert about["format"] == manager.FORMAT
    assert about["versions"]["jax"] == jax.__version__
    assert about["layout"]["params/head/kernel"] == ["float32", [16, 8]]


def test_saving_does_not_wait_for_the_disk(tmp_path, monkeypatch):
    """The commit is held back; save must return all the same."""
    renamed, released = os.rename, threading.Event()

    def slow(*args, **kwargs):
        assert released.wait(timeout=20)
        return renamed(*args, **kwargs)

    monkeypatch.setattr(os, "rename", slow)
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, SMALL, {})
        assert not (tmp_path / "1").exists()
        released.set()
        assert checkpoints.latest() == 1


def test_no_thread_is_left_when_closed(tmp_path):
    before = set(threading.enumerate())
    with Checkpoints(tmp_path) as checkpoints:
        checkpoints.save(1, state(1), {})
        checkpoints.restore(1, like(state(1)))
    left = set(threading.enumerate()) - before
    # Idle workers of orbax's event loops, which end with their loop or at exit.
    assert {t.name for t in left if not t.name.startswith("asyncio_")} == set()
