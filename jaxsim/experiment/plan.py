"""What a training step costs on devices that need not be there.

The step is compiled for a mesh of devices that XLA makes up on this machine's
processor, in a process of its own, since their number is fixed when JAX starts.
"""

import json
import math
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import fiddle as fdl
import jax
import jax.numpy as jnp

from jaxsim.core.errors import InputError
from jaxsim.data.records import Record
from jaxsim.data.samplers import size_options
from jaxsim.data.training import TrainingBatches
from jaxsim.experiment.config_file import load_config
from jaxsim.experiment.construct import construct
from jaxsim.experiment.epochs import in_steps
from jaxsim.experiment.recipe import build_recipe
from jaxsim.experiment.training_experiment import TrainingExperiment
from jaxsim.experiment.training_model import example_batch
from jaxsim.parallel.cost import collective_bytes, count_work
from jaxsim.parallel.mesh import MeshShape, batch_sharding, make_mesh
from jaxsim.training.state import TrainState
from jaxsim.training.step import check_batch_size, compile_step, state_layout

PER_LABEL = 8
MOST_DEVICES = 4096


@dataclass(frozen=True, kw_only=True)
class StepPlan:
    """What each device does in a step.

    Attributes:
      devices: in all.
      batch_size: images of a step, of all devices.
      parameters: number of them.
      parameter_bytes: of the parameters on a device.
      optimiser_bytes: of moments and moving averages on a device.
      other_bytes: statistics of batch norm and mined examples.
      batch_bytes: of a device's images.
      temporary_bytes: activations, gradients and gathered parameters, at their most.
      flops: operations of a device.
      moved_bytes: read and written by its matrix products and convolutions.
      sent_bytes: to other devices, by the kind of collective.
    """

    devices: int
    batch_size: int
    parameters: int
    parameter_bytes: int
    optimiser_bytes: int
    other_bytes: int
    batch_bytes: int
    temporary_bytes: int
    flops: float
    moved_bytes: float
    sent_bytes: dict[str, float]

    @property
    def memory_bytes(self) -> int:
        """All that a device holds during a step."""
        return (
            self.parameter_bytes
            + self.optimiser_bytes
            + self.other_bytes
            + self.batch_bytes
            + self.temporary_bytes
        )


def plan(
    reference: str, overrides: Sequence[str], shape: MeshShape, *, num_labels: int
) -> StepPlan:
    """Compiles the step of a config for a mesh, and tells what it costs.

    Args:
      reference: of the config, see `load_config`.
      overrides: of its fields.
      shape: of the mesh, with both axes given.
      num_labels: that the images would have.

    Raises:
      InputError: the config is none of a training, or cannot run on such a mesh.
    """
    assert shape.data is not None
    devices = shape.data * shape.fsdp
    if devices > MOST_DEVICES:
        raise InputError(
            f"{devices} devices: a step is planned for at most {MOST_DEVICES}. What "
            "each device does hardly changes beyond that"
        )
    asked = {
        "reference": reference,
        "overrides": list(overrides),
        "shape": {"data": shape.data, "fsdp": shape.fsdp},
        "num_labels": num_labels,
    }
    environment = os.environ | {
        "JAX_PLATFORMS": "cpu",
        "JAX_NUM_CPU_DEVICES": str(devices),
        "XLA_FLAGS": "",
    }
    done = subprocess.run(
        [sys.executable, "-m", "jaxsim.experiment.plan", json.dumps(asked)],
        env=environment,
        capture_output=True,
        text=True,
    )
    if done.returncode == 2:
        raise InputError(done.stderr.strip())
    if done.returncode:
        raise RuntimeError(f"the step could not be compiled:\n{done.stderr}")
    return StepPlan(**json.loads(done.stdout.splitlines()[-1]))


def plan_here(config: fdl.Config, shape: MeshShape, *, num_labels: int) -> StepPlan:
    """Does the work of `plan` on the devices of this process."""
    if fdl.get_callable(config) is not TrainingExperiment:
        raise InputError(
            "the config describes no training on images; plan one such as "
            "configs/quickstart.py"
        )
    labels = [str(i % num_labels) for i in range(PER_LABEL * num_labels)]
    sampler = construct(config.sampler)(labels, seed=0)
    # The data need not be there.
    config.data = config.measure = None
    experiment: TrainingExperiment = construct(
        in_steps(config, steps_per_epoch=sampler.steps_per_epoch)
    )
    box = (0, 0, 1, 1)
    records = [Record(name=str(i), content=bytes, box=box) for i in range(len(labels))]
    data = TrainingBatches(records, labels, sampler, experiment.transform)
    recipe = build_recipe(experiment, num_labels=num_labels, dtype=jnp.bfloat16)
    mesh = make_mesh(shape=shape)
    check_batch_size(
        data.batch_size, recipe, mesh.size, chosen_by=size_options(sampler)
    )
    pool: dict[str, Any] = {}
    if experiment.mining is not None:
        mining = experiment.mining(
            labels=data.label_codes, describe=None, triplets=1, seed=0
        )
        pool = mining.empty()

    def first() -> TrainState:
        key = jax.random.key(0)
        example = example_batch(experiment.model.preprocessing.size_px)
        variables = dict(recipe.objective.init(key, example, key=key))
        return recipe.start(variables, pool)

    state = jax.eval_shape(first)
    layout = state_layout(state, mesh, whole=experiment.mesh.whole)
    batch = _batch(data, experiment, batch_sharding(mesh))
    traced = compile_step(recipe, mesh, layout).trace(_placed(state, layout), batch)
    work = count_work(traced.jaxpr).times(1 / mesh.size)
    compiled = traced.lower().compile(_quick())
    memory = compiled.memory_analysis()
    assert memory is not None
    return StepPlan(
        devices=mesh.size,
        batch_size=data.batch_size,
        parameters=sum(leaf.size for leaf in jax.tree.leaves(state.params)),
        parameter_bytes=_bytes(state.params, layout.params),
        optimiser_bytes=_bytes(state.optimiser, layout.optimiser)
        + _bytes(state.average, layout.average),
        other_bytes=_bytes(state.collections, layout.collections)
        + _bytes(state.pool, layout.pool),
        batch_bytes=_bytes(batch, jax.tree.map(lambda leaf: leaf.sharding, batch)),
        temporary_bytes=memory.temp_size_in_bytes,
        flops=work.flops,
        moved_bytes=work.moved_bytes,
        sent_bytes=collective_bytes(compiled.as_text()),
    )


def _batch(data: TrainingBatches, experiment: TrainingExperiment, sharding) -> dict:
    """Returns the shapes of the arrays that `TrainingBatches` yields."""
    rows, side = data.batch_size, data.slot_px
    shapes = {
        "images": ((rows, side, side, 3), jnp.uint8),
        "valid": ((rows, 2), jnp.int32),
        "labels": ((rows,), jnp.int32),
    }
    if experiment.transform.boxes == "follow":
        shapes["boxes"] = ((rows, 4), jnp.float32)
    return {
        name: jax.ShapeDtypeStruct(*shape, sharding=sharding)
        for name, shape in shapes.items()
    }


def _placed(state: TrainState, layout: TrainState) -> TrainState:
    return jax.tree.map(
        lambda x, place: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=place),
        state,
        layout,
    )


def _bytes(tree: Any, layout: Any) -> int:
    """Returns the bytes of a tree on one device."""
    sizes = jax.tree.map(
        lambda x, place: x.dtype.itemsize * math.prod(place.shard_shape(x.shape)),
        tree,
        layout,
    )
    return sum(jax.tree.leaves(sizes))


def _quick() -> dict[str, Any]:
    """Returns options by which XLA makes no effort at code that is never run."""
    return {
        "xla_backend_optimization_level": 0,
        "xla_llvm_disable_expensive_passes": True,
    }


def _main(text: str) -> int:
    asked = json.loads(text)
    # Convolutions as accelerators compute them, not as this processor would.
    jax.lax.platform_dependent = _for_accelerators
    try:
        found = plan_here(
            load_config(asked["reference"], asked["overrides"]),
            MeshShape(**asked["shape"]),
            num_labels=asked["num_labels"],
        )
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(asdict(found)))
    return 0


def _for_accelerators(*args, default, **others):
    del others
    return default(*args)


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1]))
