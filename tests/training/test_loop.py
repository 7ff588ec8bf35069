"""The loop by itself, around a step that only counts."""

import os
import resource
import signal
from contextlib import contextmanager
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxsim.checkpoint.manager import Checkpoints
from jaxsim.core.errors import InputError
from jaxsim.data.image_folder import image_folder
from jaxsim.data.samplers import PK
from jaxsim.data.training import TrainingBatches
from jaxsim.parallel.mesh import make_mesh
from jaxsim.training import loop as loop_module
from jaxsim.training.log import MetricsFile, read_rows
from jaxsim.training.loop import Evaluation, Every, Loop, fit
from jaxsim.training.mining import PoolMining
from jaxsim.training.state import TrainState
from tests.training.runs import make_photos
from tests.training.tiny import transform

# Noise, which takes room on a disk; whole numbers, to which ones are added exactly.
WEIGHTS = np.random.default_rng(0).integers(0, 2**30, 10_000, np.int32)


class Counting:
    """A step that adds one, and loses where it is told to.

    Attributes:
      seen: a checksum of each batch, by step.
    """

    def __init__(self, broken_at: int = 0, broken: str = "loss"):
        self.broken_at, self.broken = broken_at, broken
        self.seen: list[float] = []

    def __call__(self, state, batch):
        self.seen.append(float(jnp.sum(batch["images"], dtype=jnp.float32)))
        step = state.step + 1
        metrics = {"loss": 1 / step, "gradient_norm": jnp.float32(1)}
        if int(step) == self.broken_at:
            metrics[self.broken] = jnp.float32(np.nan)
        params = jax.tree.map(lambda x: x + 1, state.params)
        return state.replace(step=step, params=params), metrics


@pytest.fixture
def photos(tmp_path) -> Path:
    return make_photos(tmp_path / "photos")


@pytest.fixture
def checkpoints(tmp_path):
    with Checkpoints(tmp_path / "checkpoints") as opened:
        yield opened


@pytest.fixture
def loop(photos, checkpoints):
    """Makes a loop of six steps with a checkpoint every second."""

    def make(step=None, num_threads=0, **options) -> Loop:
        records = image_folder(photos).records
        labels = [record.label for record in records]
        data = TrainingBatches(
            records,
            labels,
            PK(labels, num_labels=4, per_label=2),
            transform(),
            num_threads=num_threads,
        )
        settings = {"steps": 6, "every": Every(checkpoint=2)}
        return Loop(
            step=step or Counting(),
            mesh=make_mesh(jax.devices()[:1]),
            data=data,
            records=records,
            checkpoints=checkpoints,
            **{**settings, **options},
        )

    return make


def state(step: int = 0) -> TrainState:
    return TrainState(
        step=jnp.int32(step),
        params={"w": jnp.asarray(WEIGHTS + step)},
        collections={},
        optimiser=(),
        average=None,
        pool={},
    )


def restored(checkpoints) -> TrainState:
    return checkpoints.restore(checkpoints.latest(), state())[0]


def at_step(step, act):
    """Returns a listener that acts when the loss of a step is told."""

    def listen(row):
        if "loss" in row and row["step"] == step:
            act()

    return listen


def test_all_steps_are_done_told_and_kept(loop, checkpoints):
    rows = []
    outcome = fit(loop(listeners=[rows.append], every=Every(checkpoint=4)), state())
    assert outcome.stopped_by is None and int(outcome.state.step) == 6
    assert rows[0]["event"] == "started" and rows[0]["steps"] == 6
    assert [row["step"] for row in rows[1:]] == [1, 2, 3, 4, 5, 6]
    assert rows[2]["loss"] == 1 / 2 and rows[2]["images_per_s"] > 0
    assert checkpoints.latest() == 6
    for step in (4, 6):
        found, _ = checkpoints.restore(step, state())
        np.testing.assert_array_equal(found.params["w"], WEIGHTS + step)


def test_evaluations_are_told_and_choose_the_best(loop, checkpoints):
    rows, values = [], {3: 0.9, 6: 0.1}

    def evaluate(state):
        value = values[int(state.step)]
        return Evaluation({"set/map": value}, value)

    every = Every(evaluate=3, checkpoint=0)
    fit(loop(evaluate=evaluate, every=every, listeners=[rows.append]), state())
    told = [(row["step"], row["eval/set/map"]) for row in rows if "eval/set/map" in row]
    assert told == [(3, 0.9), (6, 0.1)]
    assert (checkpoints.best(), checkpoints.latest()) == (3, 6)


def test_without_periods_only_the_end_is_kept(loop, checkpoints):
    fit(loop(every=Every(checkpoint=0)), state())
    assert checkpoints.latest() == 6
    with pytest.raises(InputError, match="no checkpoint of step 4"):
        checkpoints.extra(4)


@pytest.mark.parametrize("num_threads", [1, 4])
def test_threads_change_neither_the_order_nor_the_pixels(loop, num_threads):
    alone, threaded = Counting(), Counting()
    fit(loop(alone, steps=3, every=Every(checkpoint=0)), state())
    fit(loop(threaded, num_threads, steps=6, every=Every(checkpoint=0)), state())
    assert threaded.seen[:3] == alone.seen and len(set(alone.seen)) == 3


def test_a_resumed_run_sees_the_batches_it_had_not_seen(loop, checkpoints):
    whole, rest = Counting(), Counting()
    fit(loop(whole), state())
    rows = []
    fit(loop(rest, steps=9, listeners=[rows.append]), state(4 + 2))
    assert [row["step"] for row in rows] == [6, 7, 8, 9]
    assert rows[0]["event"] == "resumed"
    again = Counting()
    fit(loop(again, steps=12), state(9))
    assert len({*whole.seen, *rest.seen, *again.seen}) == 12


class Told:
    """A number that says when it is read."""

    def __init__(self, name, log):
        self.name, self.log = name, log

    def __float__(self):
        self.log.append(f"read {self.name}")
        return 1.0


def test_the_next_step_runs_before_the_last_one_is_read(loop):
    """Otherwise the device would wait for Python after every step."""
    log = []

    def step(state, batch):
        number = int(state.step) + 1
        log.append(f"run {number}")
        metrics = {"loss": Told(number, log), "gradient_norm": 1.0}
        return state.replace(step=jnp.int32(number)), metrics

    fit(loop(step, steps=4, every=Every(checkpoint=3)), state())
    assert log == [
        "run 1",
        "run 2",
        "read 1",
        "run 3",
        "read 2",
        "read 3",  # a state is kept only when its loss is known
        "run 4",
        "read 4",
    ]


@pytest.mark.parametrize("broken", ["loss", "gradient_norm"])
def test_a_broken_loss_stops_the_run_and_names_the_images(loop, checkpoints, broken):
    made = loop(Counting(broken_at=4, broken=broken))
    ids = list(made.data.iterate(3, 4))[0]["ids"]
    names = ", ".join(made.records[i].name for i in ids)
    message = f"the {broken} became nan at step 4, on the images {names}. The last good"
    with pytest.raises(InputError, match=message + " checkpoint is that of step 2"):
        fit(made, state())
    assert checkpoints.latest() == 2  # none of step 4, though it was due
    np.testing.assert_array_equal(restored(checkpoints).params["w"], WEIGHTS + 2)


def test_a_loss_that_breaks_before_the_first_checkpoint(loop, checkpoints):
    with pytest.raises(InputError, match="at step 1, .* No checkpoint was kept yet"):
        fit(loop(Counting(broken_at=1)), state())
    assert checkpoints.latest() is None


class Clock:
    """Time that passes only when it is told to, and a little at every look."""

    def __init__(self):
        self.now_s = 0.0

    def perf_counter(self):
        self.now_s += 0.001
        return self.now_s


class Mining(PoolMining):
    """Mines nothing, and takes its time or fails."""

    def __init__(self, act):
        super().__init__(
            labels=np.zeros(1, np.int32), describe=act, triplets=1, refresh=2
        )

    def mine(self, state, step):
        self.describe(state, np.zeros(0, np.int64))
        return {}

    def examples(self, data, pool):
        return data


def test_the_rate_is_that_of_steps_alone(loop, checkpoints, monkeypatch):
    rows, clock = [], Clock()
    monkeypatch.setattr(loop_module, "time", clock)

    def slow(*_):
        clock.now_s += 100
        return Evaluation({"set/map": 0.5}, 0.5)

    class Step(Counting):
        def __call__(self, state, batch):
            clock.now_s += 1
            return super().__call__(state, batch)

    options = {"mining": Mining(slow), "evaluate": slow}
    every = Every(evaluate=3, checkpoint=0)
    fit(loop(Step(), every=every, listeners=[rows.append], **options), state())
    steps = [row for row in rows if "loss" in row]
    assert len(steps) == 6 and "images_per_s" not in steps[0]
    # A step of 8 images is told after the next one has begun: within 2 s.
    assert all(row["images_per_s"] > 8 / 2.5 for row in steps[1:])


def test_a_loss_that_breaks_before_mining_is_told_as_such(loop, checkpoints):
    def mine(*_):
        if len(told) > 1:
            raise InputError("descriptors hold NaN")

    told = []
    broken = loop(
        Counting(broken_at=2),
        mining=Mining(mine),
        every=Every(checkpoint=100),
        listeners=[told.append],
    )
    with pytest.raises(InputError, match="at step 2"):
        fit(broken, state())


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_signals_stop_after_a_checkpoint(loop, checkpoints, name):
    number, before = signal.Signals[name], signal.getsignal(signal.Signals[name])
    listener = at_step(3, lambda: os.kill(os.getpid(), number))
    outcome = fit(loop(listeners=[listener]), state())
    # The loss of step 3 is told while step 4 runs.
    assert (outcome.stopped_by, int(outcome.state.step)) == (name, 4)
    assert checkpoints.latest() == 4
    assert signal.getsignal(number) == before


def test_an_evaluation_that_is_due_when_a_signal_comes_is_not_lost(loop, checkpoints):
    rows = []
    listeners = [rows.append, at_step(2, lambda: os.kill(os.getpid(), signal.SIGTERM))]
    made = loop(
        evaluate=lambda state: Evaluation({"set/map": 0.5}, 0.5),
        every=Every(evaluate=3, checkpoint=0),
        listeners=listeners,
    )
    assert fit(made, state()).stopped_by == "SIGTERM"
    assert checkpoints.best() == checkpoints.latest() == rows[-1]["step"] == 3
    assert rows[-1]["eval/set/map"] == 0.5


@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_another_ctrl_c_interrupts_at_once(loop, checkpoints, first):
    def twice():
        os.kill(os.getpid(), first)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit(loop(listeners=[at_step(3, twice)]), state())
    assert checkpoints.latest() == 2


@contextmanager
def largest_file(size_bytes: int):
    """Refuses to write more, as a full disk does, wherever the bytes come from."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_fills_during_a_row(loop, checkpoints, tmp_path):
    path = tmp_path / "metrics.jsonl"
    limits = []

    def fill():
        checkpoints.wait()
        limit = largest_file(path.stat().st_size + 10)
        limit.__enter__()
        limits.append(limit)

    with MetricsFile(path, step=0) as file:
        with pytest.raises(InputError, match=r"cannot write .*metrics\.jsonl: no spa"):
            fit(loop(listeners=[file, at_step(3, fill)]), state())
    limits[0].__exit__(None, None, None)
    assert path.read_bytes()[-10:].startswith(b'{"step": 4')  # half a row
    assert checkpoints.latest() == 2
    with MetricsFile(path, step=2) as file:
        fit(loop(listeners=[file]), restored(checkpoints))
    rows = read_rows(path)
    assert [row["step"] for row in rows if "loss" in row] == [1, 2, 3, 4, 5, 6]


def test_data_that_vanishes(loop, checkpoints, photos):
    def vanish():
        photos.rename(photos.with_name("elsewhere"))

    with pytest.raises(InputError, match="cannot read 'label.*no longer mounted"):
        fit(loop(steps=1000, listeners=[at_step(2, vanish)]), state())
    assert checkpoints.latest() >= 2
    restored(checkpoints)


def test_periods_that_cannot_be():
    with pytest.raises(InputError, match="must not be negative"):
        Every(evaluate=-1)
