"""Checkpoints: saved beside training, restored onto any number of devices."""

import json
import math
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from jax.sharding import SingleDeviceSharding
from orbax.checkpoint import checkpoint_managers

from jaxsim.checkpoint.failures import damage, keep_orbax_quiet, reason
from jaxsim.checkpoint.folder import claim, refuse_foreign_folder, remove_unfinished
from jaxsim.checkpoint.layout import (
    layout_of,
    named_leaves,
    require_same,
    require_storable,
)
from jaxsim.core.environment import PACKAGES, versions
from jaxsim.core.errors import InputError

FORMAT = 1
"""Number of the format written; newer ones are refused."""

VERSIONS_OF = (*PACKAGES, "optax", "orbax-checkpoint")

_STATE, _ABOUT, _METRIC = "state", "about", "metric"


class Checkpoints:
    """The checkpoints of one run, in a folder of their own.

    A checkpoint appears whole or not at all: it is written beside the others and
    renamed when complete. Use it as a context manager: a process that ends without
    closing loses the save in progress. All processes of a run make the same calls; the
    object is not meant to be shared by threads. Reading needs no lock and may go on
    beside a run that writes.

    Args:
      folder: created by the first save.
      keep_last: how many of the latest checkpoints are kept, >= 1.
      keep_best: whether the one of highest metric is kept as well.

    Raises:
      InputError: the folder holds other files, or `keep_last` < 1.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        keep_last: int = 2,
        keep_best: bool = True,
    ):
        if keep_last < 1:
            raise InputError(f"at least 1 checkpoint is kept, not {keep_last}")
        keep_orbax_quiet()
        self._folder = Path(os.path.abspath(folder))
        refuse_foreign_folder(self._folder)
        self._lock: IO[str] | None = None
        self._keep_last, self._keep_best = keep_last, keep_best
        self._manager = self._open()

    def claim(self) -> None:
        """Takes the right to write, which the first save takes otherwise.

        Raises:
          InputError: another run writes, or the folder cannot be written.
        """
        if self._lock is None and jax.process_index() == 0:
            self._lock = claim(self._folder)

    def save(
        self,
        step: int,
        state: Any,
        extra: Mapping[str, Any],
        metric: float | None = None,
    ) -> None:
        """Copies a state to the host and writes it while training goes on.

        Waits for an earlier save first. When this returns, the arrays may be changed
        or their memory given away.

        Args:
          step: later than that of every checkpoint in the folder, >= 0.
          state: pytree of JAX and numpy arrays of numbers or truth values, none empty.
            Python numbers, strings and typed random keys are refused: they belong into
            `extra`, keys as `jax.random.key_data`.
          extra: what JSON can hold and gives back unchanged: the config, the place in
            the data.
          metric: higher is better; None or a number that is not finite does not count.

        Raises:
          InputError: an earlier save failed, such as on a full disk; the state or
            `extra` cannot be kept; the step is not the latest; another run writes.
        """
        latest = self.latest()
        if step < 0:
            raise InputError(f"the step of a checkpoint is >= 0, not {step}")
        if latest is not None and step <= latest:
            raise InputError(
                f"a checkpoint of step {step} cannot follow that of step {latest} in "
                f"{self._folder}. Go on from the latest one, or choose another folder"
            )
        leaves = named_leaves(state)
        require_storable(leaves)
        about = {
            "format": FORMAT,
            "versions": versions(VERSIONS_OF),
            "layout": layout_of(leaves),
            "extra": _json_copy(extra),
        }
        self.claim()
        metrics = None
        if metric is not None and math.isfinite(metric):
            metrics = {_METRIC: float(metric)}
        with self._writing():
            self._manager.save(
                step,
                args=ocp.args.Composite(
                    **{
                        _STATE: ocp.args.StandardSave(leaves),
                        _ABOUT: ocp.args.JsonSave(about),
                    }
                ),
                metrics=metrics,
                force=True,  # the check above replaces orbax's, which is silent
            )

    def latest(self) -> int | None:
        """Returns the step of the latest complete checkpoint, None without any.

        Raises:
          InputError: the save that it waited for failed.
        """
        self._refresh()
        return self._manager.latest_step()

    def best(self) -> int | None:
        """Returns the step of the highest metric, the later of equals.

        None if no checkpoint has a metric.

        Raises:
          InputError: the save that it waited for failed.
        """
        self._refresh()
        return self._manager.best_step()

    def extra(self, step: int) -> dict[str, Any]:
        """Returns what was given beside the state; needs no `like`.

        Args:
          step: of a checkpoint in the folder.

        Raises:
          InputError: see `restore`.
        """
        return self._about(step)["extra"]

    def restore(self, step: int, like: Any) -> tuple[Any, dict[str, Any]]:
        """Reads a state onto the devices, bit by bit as it was saved.

        Args:
          step: of a checkpoint in the folder.
          like: pytree of the saved structure. A `jax.ShapeDtypeStruct` is filled by a
            JAX array with its sharding, which need not be the saved one; without a
            sharding, on the first device. A numpy array, whose values do not matter, is
            filled by a numpy array.

        Returns:
          The state, structured as `like`, and `extra` as it was saved.

        Raises:
          InputError: there is no such checkpoint, it is damaged, of a newer format, or
            of another structure, shape or dtype.
        """
        about = self._about(step)
        wanted = named_leaves(like)
        require_same(
            about["layout"], layout_of(wanted), source=f"the checkpoint of step {step}"
        )
        targets = {name: _target(leaf) for name, leaf in wanted.items()}
        found = self._read(step, _STATE, ocp.args.StandardRestore(targets))
        leaves = [found[name] for name in wanted]
        return jax.tree.unflatten(jax.tree.structure(like), leaves), about["extra"]

    def wait(self) -> None:
        """Returns when the last save is on disk.

        Raises:
          InputError: it failed, such as on a full disk.
        """
        with self._writing():
            self._manager.wait_until_finished()

    def close(self) -> None:
        """Finishes the last save and lets others write.

        Raises:
          InputError: the last save failed.
        """
        try:
            self.wait()
        finally:
            self._manager.close()
            if self._lock is not None:
                self._lock.close()
                self._lock = None

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self) -> ocp.CheckpointManager:
        kept = [
            checkpoint_managers.LatestN(self._keep_last),
            checkpoint_managers.BestN(
                get_metric_fn=_metric,
                n=int(self._keep_best),
                keep_checkpoints_without_metrics=False,
            ),
        ]
        return ocp.CheckpointManager(
            self._folder,
            options=ocp.CheckpointManagerOptions(
                create=False,
                best_fn=_metric,
                preservation_policy=checkpoint_managers.AnyPreservationPolicy(kept),
            ),
        )

    def _refresh(self) -> None:
        """Takes notice of what another process has written or removed."""
        self.wait()
        self._manager.reload()

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            # A new manager: the old one would raise what its threads still hold, and
            # count what it has not written.
            with suppress(Exception):
                self._manager.close()
            self._manager = self._open()
            if self._lock is not None:
                remove_unfinished(self._folder)
            why = reason(error)
            if why is None:
                raise
            raise InputError(
                f"cannot write a checkpoint to {self._folder}: {why}. Free some space "
                "there, or choose another folder; the checkpoints before it are "
                "unchanged"
            ) from error

    def _about(self, step: int) -> dict[str, Any]:
        self._refresh()
        steps = list(self._manager.all_steps())
        if step not in steps:
            raise InputError(
                f"{self._folder} has no checkpoint of step {step}. "
                + (f"There are those of {steps}" if steps else "It has none at all")
            )
        about = self._read(step, _ABOUT, ocp.args.JsonRestore())
        if about["format"] > FORMAT:
            raise InputError(
                f"the checkpoint of step {step} in {self._folder} has format "
                f"{about['format']}, written by jaxsim {about['versions']['jaxsim']}; "
                f"this version reads up to format {FORMAT}. Install a newer jaxsim"
            )
        return about

    def _read(self, step: int, item: str, args: Any) -> Any:
        try:
            found = self._manager.restore(step, args=ocp.args.Composite(**{item: args}))
        except Exception as error:
            why = damage(error)
            if why is None:
                raise
            raise InputError(
                f"the checkpoint of step {step} in {self._folder} is damaged: {why}. "
                + self._mended(step)
            ) from error
        return found[item]

    def _mended(self, step: int) -> str:
        """Says how to go on without a checkpoint."""
        others = [other for other in self._manager.all_steps() if other != step]
        folder = self._folder / str(step)
        if not others:
            return f"There is no other one; delete {folder} to begin anew"
        if step < max(others):
            return f"Delete {folder}; those of steps {sorted(others)} stay"
        return (
            f"Use another one, or delete {folder} to go on from that of step "
            f"{max(others)}"
        )


def _metric(metrics: Mapping[str, float]) -> float:
    return metrics[_METRIC]


def _target(leaf: Any) -> jax.ShapeDtypeStruct | np.ndarray:
    if isinstance(leaf, np.ndarray):
        return leaf
    sharding = leaf.sharding or SingleDeviceSharding(jax.devices()[0])
    return jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding)


def _json_copy(extra: Mapping[str, Any]) -> dict[str, Any]:
    try:
        copy = json.loads(json.dumps(extra, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(f"`extra` of a checkpoint must be JSON: {error}") from error
    if copy != extra:
        raise InputError(
            "`extra` of a checkpoint must come back from JSON unchanged: use lists "
            "instead of tuples, and text as keys"
        )
    return copy
