"""A whole training run that takes seconds: photos, a config, and what it leaves."""

import json
import os
import subprocess
import sys
from pathlib import Path

import fiddle as fdl
import jax.numpy as jnp
import numpy as np
from PIL import Image

from jaxsim.checkpoint.manager import Checkpoints
from jaxsim.data.augment import Augmentation
from jaxsim.data.image_folder import image_folder
from jaxsim.data.preprocess import Preprocessing
from jaxsim.data.records import Record, RetrievalSet
from jaxsim.data.samplers import PK, RandomTriplets
from jaxsim.evaluation.protocols.same_label import SameLabel
from jaxsim.experiment.model_spec import RANDOM, ModelSpec
from jaxsim.experiment.training_experiment import RetrievalMeasure, TrainingExperiment
from jaxsim.nn.descriptor import Descriptor
from jaxsim.nn.pooling import Gem
from jaxsim.training.log import read_rows
from jaxsim.training.loop import Every
from jaxsim.training.mining import PoolMining
from jaxsim.training.objectives.criteria import TripletCriterion
from jaxsim.training.objectives.descriptor import DescriptorObjective
from jaxsim.training.optim import adam
from tests.training.tiny import TinyBackbone

LABELS, PHOTOS_OF_EACH, SIZE_PX = 6, 4, 32


def in_process(module: str, root: Path) -> str:
    """Runs a module of the tests on a folder; returns what it printed.

    It is free to fork, as it puts nothing on a device itself.
    """
    ignored = "ignore:This process:DeprecationWarning"  # that a fork has other threads
    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", ignored, "-m", module, str(root)],
        cwd=Path(__file__).parents[2],
        # Its forks compile the same programs.
        env=os.environ
        | {"XLA_FLAGS": "", "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def make_photos(root: Path) -> Path:
    """Writes a folder a label; the photos of a label resemble each other."""
    random = np.random.default_rng(0)
    for label in range(LABELS):
        thing = random.integers(0, 200, (8, 8, 3))
        folder = root / f"label{label}"
        folder.mkdir(parents=True)
        for i in range(PHOTOS_OF_EACH):
            noise = random.integers(0, 56, (8, 8, 3))
            photo = Image.fromarray((thing + noise).astype(np.uint8))
            photo.resize((40, 34 + i)).save(folder / f"{i}.png")
    return root


def records(root: Path) -> list[Record]:
    """Returns the photos to train on."""
    return image_folder(root).records


def measured(root: Path) -> list[RetrievalSet]:
    """Returns some of the photos as a set."""
    return [RetrievalSet(name="seen", database=records(root)[::2])]


def config(steps: int = 12, **fields) -> fdl.Config[TrainingExperiment]:
    """Returns a run of PK batches, augmented, averaged and measured.

    Args:
      steps: of the run.
      **fields: to set instead.
    """
    preprocessing = fdl.Config(Preprocessing, size_px=SIZE_PX)
    settings = {
        "model": fdl.Config(
            ModelSpec,
            network=fdl.Config(
                Descriptor,
                backbone=fdl.Config(TinyBackbone),
                pooling=fdl.Config(Gem),
                mean=(127.0, 120.0, 110.0),
                std=(60.0, 60.0, 60.0),
            ),
            preprocessing=preprocessing,
            weights=RANDOM,
        ),
        "objective": fdl.Partial(
            DescriptorObjective, criterion=fdl.Config(TripletCriterion, margin=0.5)
        ),
        "data": fdl.Partial(records),
        "sampler": fdl.Partial(PK, num_labels=4, per_label=2),
        "transform": fdl.Config(Augmentation, preprocessing=preprocessing),
        "optimiser": fdl.Partial(adam),
        "learning_rate": 1e-2,
        "average_decay": 0.9,
        "measure": fdl.Config(
            RetrievalMeasure,
            data=fdl.Partial(measured),
            protocol=fdl.Config(SameLabel),
        ),
        "every": fdl.Config(Every, evaluate=6, checkpoint=4),
    }
    return fdl.Config(TrainingExperiment, steps=steps, **{**settings, **fields})


def mined(steps: int = 12) -> fdl.Config[TrainingExperiment]:
    """Returns a run on mined triplets, whose checkpoints lie within segments."""
    return config(
        steps,
        objective=fdl.Partial(
            DescriptorObjective,
            criterion=fdl.Config(TripletCriterion, miner="rows", margin=0.5),
        ),
        sampler=fdl.Partial(RandomTriplets, triplets=4),
        mining=fdl.Partial(PoolMining, pool_size=18, hardest=4, refresh=3, margin=0.5),
        average_decay=None,
        measure=None,
        every=fdl.Config(Every, checkpoint=5),
    )


def rate_that_breaks(step):
    """A learning rate that is sane up to step 2 and then far too large."""
    return jnp.where(step < 2, 1e-3, 1e30)


def rows_of(out: Path) -> list[dict]:
    """Returns what a run wrote into metrics.jsonl, but for times and events."""
    return [
        {k: v for k, v in row.items() if k not in ("time_s", "images_per_s")}
        for row in read_rows(out / "metrics.jsonl")
        if "event" not in row
    ]


def events_of(out: Path) -> list[tuple[str, int]]:
    """Returns the events of a run with their steps."""
    rows = read_rows(out / "metrics.jsonl")
    return [(row["event"], row["step"]) for row in rows if "event" in row]


def last_state(out: Path) -> tuple[int, dict[str, np.ndarray]]:
    """Returns the step of the last checkpoint and its arrays by name."""
    folder = out / "checkpoints"
    step = max(int(path.name) for path in folder.glob("[0-9]*") if path.name.isdigit())
    about = json.loads((folder / str(step) / "about" / "metadata").read_text())
    like = {
        name: np.zeros(shape, dtype) for name, (dtype, shape) in about["layout"].items()
    }
    with Checkpoints(folder) as checkpoints:
        return step, checkpoints.restore(step, like)[0]


def require_same_run(found: Path, expected: Path) -> None:
    """Asserts that two runs ended with the same bits and told the same."""
    (step, state), (wanted_step, wanted) = last_state(found), last_state(expected)
    assert step == wanted_step and state.keys() == wanted.keys()
    for name, array in wanted.items():
        assert state[name].tobytes() == array.tobytes(), name
    assert rows_of(found) == rows_of(expected)
    for path in sorted((expected / "model").iterdir()):
        assert (found / "model" / path.name).read_bytes() == path.read_bytes()
