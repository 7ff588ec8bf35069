"""One row per loss: what it is given, and what it means that nothing counts."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial

import jax.numpy as jnp
import numpy as np

from jaxsim.losses.average_precision import average_precision
from jaxsim.losses.contrastive import contrastive
from jaxsim.losses.cosine_target import cosine_target
from jaxsim.losses.cross_entropy import cross_entropy
from jaxsim.losses.guided_similarity import guided_similarity
from jaxsim.losses.log_loss import log_loss
from jaxsim.losses.margin_softmax import arcface_logits, cosface_logits
from jaxsim.losses.mean import Mean, weighted_mean
from jaxsim.losses.multi_similarity import multi_similarity
from jaxsim.losses.smooth_l1 import smooth_l1
from jaxsim.losses.triplet import triplet

BATCH = 16  # a multiple of the eight devices
GENERATOR = np.random.default_rng(0)


@dataclass(frozen=True, kw_only=True)
class LossCase:
    """A loss under test.

    Attributes:
      loss: the function of the inputs, by name.
      inputs: arrays whose first axis is the batch.
      floats: names of inputs that gradients flow into.
      pairs: names of inputs whose second axis is the batch too.
      nothing: inputs to replace so that nothing counts.
      range: least and greatest value that the floats can have.
    """

    loss: Callable[..., Mean]
    inputs: Mapping[str, np.ndarray]
    floats: tuple[str, ...]
    nothing: Mapping[str, np.ndarray]
    range: tuple[float, float]
    pairs: tuple[str, ...] = field(default=())


def _uniform(low: float, high: float, *shape: int) -> np.ndarray:
    return GENERATOR.uniform(low, high, shape).astype(np.float32)


def _triplet(**options) -> LossCase:
    return LossCase(
        loss=partial(triplet, **options),
        inputs={
            "positive": _uniform(0, 2, BATCH),
            "negative": _uniform(0, 2, BATCH),
            "weights": np.arange(BATCH, dtype=np.float32) % 3,
        },
        floats=("positive", "negative"),
        nothing={"weights": np.zeros(BATCH, np.float32)},
        range=(0, 2),
    )


def _of_pairs(loss: Callable[..., Mean]) -> LossCase:
    labels = np.arange(BATCH) % 5
    return LossCase(
        loss=loss,
        inputs={
            "scores": _uniform(-1, 1, BATCH, BATCH),
            "relevant": labels[:, None] == labels,
            "counted": ~np.eye(BATCH, dtype=bool),
        },
        floats=("scores",),
        pairs=("scores", "relevant", "counted"),
        nothing={"relevant": np.eye(BATCH, dtype=bool)},
        range=(-1, 1),
    )


def _of_classes(logits: Callable, low: float, high: float) -> LossCase:
    def loss(values, labels, weights):
        return cross_entropy(logits(values, labels), labels, weights)

    return LossCase(
        loss=loss,
        inputs={
            "values": _uniform(low, high, BATCH, 5),
            "labels": np.arange(BATCH, dtype=np.int32) % 5,
            "weights": np.arange(BATCH, dtype=np.float32) % 3,
        },
        floats=("values",),
        nothing={"weights": np.zeros(BATCH, np.float32)},
        range=(low, high),
    )


def _of_nodes(vectors) -> Mean:
    """Guided similarity over all pairs, in blocks that do not divide the batch."""
    loss = guided_similarity(vectors, beta=0.3, block_rows=5)
    return Mean(loss, jnp.float32(len(vectors) ** 2))


LOSSES = {
    "mean": LossCase(
        loss=weighted_mean,
        inputs={
            "terms": _uniform(-2, 2, BATCH),
            "weights": np.arange(BATCH, dtype=np.float32) % 3,
        },
        floats=("terms",),
        nothing={"weights": np.zeros(BATCH, np.float32)},
        range=(-1e6, 1e6),
    ),
    "triplet": _triplet(),
    "triplet, over the violating": _triplet(average="violating"),
    "triplet, soft margin": _triplet(margin=None),
    "contrastive": LossCase(
        loss=contrastive,
        inputs={
            "distances": _uniform(0, 2, BATCH),
            "matching": np.arange(BATCH) % 2 == 0,
            "weights": np.arange(BATCH, dtype=np.float32) % 3,
        },
        floats=("distances",),
        nothing={"weights": np.zeros(BATCH, np.float32)},
        range=(0, 2),
    ),
    "cosine target": LossCase(
        loss=cosine_target,
        inputs={
            "scores": _uniform(-1, 1, BATCH),
            "cosines": _uniform(-1, 1, BATCH),
            "matching": np.arange(BATCH) % 2 == 0,
            "weights": np.arange(BATCH, dtype=np.float32) % 3,
        },
        floats=("scores",),
        nothing={"weights": np.zeros(BATCH, np.float32)},
        range=(-1, 1),
    ),
    "multi-similarity": _of_pairs(multi_similarity),
    "average precision": _of_pairs(average_precision),
    "cross-entropy": _of_classes(lambda values, labels: values, -10, 10),
    "ArcFace": _of_classes(arcface_logits, -1, 1),
    "CosFace": _of_classes(cosface_logits, -1, 1),
    "guided similarity": LossCase(
        loss=_of_nodes,
        inputs={"vectors": _uniform(-0.5, 0.5, BATCH, 8)},
        floats=("vectors",),
        nothing={"vectors": np.zeros((0, 8), np.float32)},
        range=(-1, 1),
    ),
    "log loss": LossCase(
        loss=log_loss,
        inputs={
            "logits": _uniform(-3, 3, BATCH),
            "positive": np.arange(BATCH) % 2 == 0,
            "weights": np.arange(BATCH, dtype=np.float32) % 3,
        },
        floats=("logits",),
        nothing={"weights": np.zeros(BATCH, np.float32)},
        range=(-1e4, 1e4),
    ),
    "smooth L1": LossCase(
        loss=smooth_l1,
        inputs={
            "predicted": _uniform(-1, 1, BATCH, 4),
            "wanted": _uniform(-1, 1, BATCH, 4),
            "weights": np.arange(BATCH, dtype=np.float32) % 3,
        },
        floats=("predicted",),
        nothing={"weights": np.zeros(BATCH, np.float32)},
        range=(-1e4, 1e4),
    ),
}


def arrays(inputs: Mapping[str, np.ndarray]) -> dict:
    """Returns the inputs on the device."""
    return {name: jnp.asarray(value) for name, value in inputs.items()}
