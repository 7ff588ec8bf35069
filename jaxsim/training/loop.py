"""The one training loop: read it from top to bottom."""

import contextlib
import math
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, runtime_checkable

import jax
import numpy as np
from jax.sharding import Mesh

from jaxsim.checkpoint.manager import Checkpoints
from jaxsim.core.errors import InputError
from jaxsim.data.loader import prefetch_to_device
from jaxsim.parallel.mesh import batch_sharding
from jaxsim.parallel.multihost import AnyProcess, put_batch, put_everywhere
from jaxsim.training.interrupt import stop_on_signals
from jaxsim.training.log import Listener, Row, tell
from jaxsim.training.state import TrainState
from jaxsim.training.step import Step

NAMED_IN_ERRORS = 8


@dataclass(frozen=True, kw_only=True)
class Every:
    """How often things are done, in steps.

    Attributes:
      evaluate: measure and keep a checkpoint; 0 only at the end.
      checkpoint: keep a checkpoint; 0 only with evaluations.
    """

    evaluate: int = 0
    checkpoint: int = 100

    def __post_init__(self):
        if min(self.evaluate, self.checkpoint) < 0:
            raise InputError(f"{self} must not be negative; 0 switches it off")


class Evaluation(NamedTuple):
    """What measuring a state gives.

    Attributes:
      metrics: name to number.
      main: the number by which the best checkpoint is chosen.
    """

    metrics: dict[str, float]
    main: float


@runtime_checkable
class Batches(Protocol):
    """Batches as a function of the step, such as `TrainingBatches`."""

    def iterate(
        self, start: int, stop: int
    ) -> Generator[dict[str, np.ndarray], None, None]:
        """Yields the arrays of steps `start` to `stop - 1` and the "ids" of images."""
        ...


@runtime_checkable
class Named(Protocol):
    """What errors name an example by, such as a `Record`."""

    @property
    def name(self) -> str:
        """Its name."""
        ...


@runtime_checkable
class Mining(Protocol):
    """Chooses examples by the network itself, such as `PoolMining`."""

    @property
    def refresh(self) -> int:
        """Updates after which is chosen again."""
        ...

    def mine(self, state: TrainState, step: int) -> dict[str, Any]:
        """Returns what was chosen, arrays of one shape every time."""
        ...

    def examples(self, data: Any, pool: dict[str, Any]) -> Batches:
        """Returns the data with batches of what was chosen."""
        ...


@dataclass(kw_only=True)
class Loop:
    """Everything a run needs besides its state.

    Attributes:
      step: the compiled step.
      mesh: the devices it runs on.
      data: batches as a function of the step.
      records: the images, by the ids of the batches.
      steps: updates in all.
      checkpoints: where states are kept.
      kept: what a checkpoint holds of a state; None keeps all.
      extra: JSON stored with every checkpoint, such as the config.
      every: how often to evaluate and to keep a checkpoint.
      evaluate: measures a state; None never does.
      mining: chooses the examples by the network itself; None leaves them to the data.
      listeners: told of every step and evaluation.
    """

    step: Step
    mesh: Mesh
    data: Batches
    records: Sequence[Named]
    steps: int
    checkpoints: Checkpoints
    kept: Callable[[TrainState], TrainState] | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    every: Every = field(default_factory=Every)
    evaluate: Callable[[TrainState], Evaluation] | None = None
    mining: Mining | None = None
    listeners: Sequence[Listener] = ()


class Outcome(NamedTuple):
    """How a run ended.

    Attributes:
      state: after the last step.
      stopped_by: the signal that ended it early, None if it ran to its end.
    """

    state: TrainState
    stopped_by: str | None


def fit(loop: Loop, state: TrainState) -> Outcome:
    """Trains until `loop.steps` updates are done, or a signal asks to stop.

    Going on from a checkpoint gives, on the same devices, the same bits as never having
    stopped. The memory of the given state is used again.

    Args:
      loop: everything but the state.
      state: of step 0, or of a checkpoint.

    Raises:
      InputError: the loss or its gradient is no longer finite; the data has vanished;
        the disk is full. The last checkpoint stays usable.
    """
    watch, asked_anywhere = _Watch(loop), AnyProcess(loop.mesh)
    event = "resumed" if int(state.step) else "started"
    watch.tell(int(state.step), {"event": event, "steps": loop.steps})
    with stop_on_signals() as request:
        for start, stop in _segments(loop, int(state.step)):
            # Before the network is used again, which a broken loss would spoil.
            watch.finish()
            state, data = _choose_examples(loop, state, start)
            watch.restart_clock()
            batches = prefetch_to_device(data.iterate(start, stop), _put(loop.mesh))
            with contextlib.closing(batches):
                for step, (ids, batch) in enumerate(batches, start=start + 1):
                    state, metrics = loop.step(state, batch)
                    watch.started(step, ids, metrics)
                    stopping = asked_anywhere(request.signal is not None)
                    if stopping or _due(loop, step):
                        watch.finish()
                        _keep(loop, state, step, watch)
                        watch.restart_clock()
                    if stopping:
                        loop.checkpoints.wait()
                        return Outcome(state, request.signal or "another process")
    loop.checkpoints.wait()
    return Outcome(state, None)


def _segments(loop: Loop, step: int) -> Iterator[tuple[int, int]]:
    """Yields (start, stop) of the runs of steps between which examples are chosen."""
    length = loop.steps if loop.mining is None else loop.mining.refresh
    while step < loop.steps:
        stop = min(loop.steps, step - step % length + length)
        yield step, stop
        step = stop


def _choose_examples(
    loop: Loop, state: TrainState, start: int
) -> tuple[TrainState, Batches]:
    if loop.mining is None:
        return state, loop.data
    if start % loop.mining.refresh == 0:
        pool = loop.mining.mine(state, start)
        state = state.replace(pool=put_everywhere(pool, loop.mesh))
    return state, loop.mining.examples(loop.data, state.pool)


def _put(mesh: Mesh) -> Callable[[dict], tuple[np.ndarray, dict]]:
    sharding = batch_sharding(mesh)

    def put(batch: dict[str, np.ndarray]) -> tuple[np.ndarray, dict]:
        arrays = {name: array for name, array in batch.items() if name != "ids"}
        return batch["ids"], put_batch(arrays, sharding)

    return put


def _due(loop: Loop, step: int) -> bool:
    periods = (loop.every.evaluate, loop.every.checkpoint)
    return step == loop.steps or any(_divides(period, step) for period in periods)


def _keep(loop: Loop, state: TrainState, step: int, watch: "_Watch") -> None:
    """Measures the state if it is time, and keeps a checkpoint.

    It is measured even if the run is about to stop: no later run would do it.
    """
    period, main = loop.every.evaluate, None
    if loop.evaluate and (step == loop.steps or _divides(period, step)):
        metrics, main = loop.evaluate(state)
        watch.tell(step, {f"eval/{name}": value for name, value in metrics.items()})
    kept = state if loop.kept is None else loop.kept(state)
    loop.checkpoints.save(step, kept, loop.extra, main)


def _divides(period: int, step: int) -> bool:
    return period > 0 and step % period == 0


class _Watch:
    """Reads the metrics of a step while the next one runs, and refuses NaN.

    The first step has no rate, since its program is compiled meanwhile.

    A state is kept only after `finish`, so that no checkpoint follows a broken loss.
    """

    def __init__(self, loop: Loop):
        self._loop = loop
        self._running: tuple[int, np.ndarray, dict] | None = None
        self._begun = time.perf_counter()
        self._last: float | None = None

    def started(self, step: int, ids: np.ndarray, metrics: dict) -> None:
        self.finish()
        self._running = step, ids, metrics

    def finish(self) -> None:
        if self._running is None:
            return
        step, ids, metrics = self._running
        self._running = None
        values = {k: float(value) for k, value in jax.device_get(metrics).items()}
        for name in ("loss", "gradient_norm"):
            if not math.isfinite(values[name]):
                raise InputError(self._broken(step, ids, name, values[name]))
        if self._last is not None:
            rate = len(ids) * jax.process_count() / (time.perf_counter() - self._last)
            values["images_per_s"] = round(rate, 2)
        self.tell(step, values)
        self._last = time.perf_counter()

    def restart_clock(self) -> None:
        """Leaves what was done since the last step out of the next one's rate."""
        if self._last is not None:
            self._last = time.perf_counter()

    def tell(self, step: int, values: Row) -> None:
        now = time.perf_counter()
        row = {"step": step, "time_s": round(now - self._begun, 3)}
        tell(self._loop.listeners, {**row, **values})

    def _broken(self, step: int, ids: np.ndarray, name: str, value: float) -> str:
        kept = self._loop.checkpoints.latest()
        names = list(dict.fromkeys(self._loop.records[i].name for i in ids.tolist()))
        shown = ", ".join(names[:NAMED_IN_ERRORS])
        more = f" and {len(names) - NAMED_IN_ERRORS} more"
        if kept is None:
            where = "No checkpoint was kept yet"
        elif kept == step - 1:
            # The loss of a step is that of the network before its update.
            where = (
                f"The checkpoint of step {kept} leads to it and cannot be gone on from"
            )
        else:
            where = f"The last good checkpoint is that of step {kept}"
        return (
            f"the {name} became {value} at step {step}, on the images {shown}"
            + (more if len(names) > NAMED_IN_ERRORS else "")
            + f". {where}. The same command would meet this again: lower the learning "
            "rate, clip gradients or look at those images, and train into another --out"
        )
