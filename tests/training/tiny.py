"""A small network and batches for it, quick to compile."""

from functools import partial
from typing import ClassVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike

from jaxsim.data.augment import Augmentation
from jaxsim.data.preprocess import Preprocessing
from jaxsim.nn.backbones.layers import ConvNorm
from jaxsim.nn.descriptor import Descriptor
from jaxsim.nn.features import Features
from jaxsim.nn.pooling import Gem
from jaxsim.training.objectives.criteria import TripletCriterion
from jaxsim.training.objectives.descriptor import DescriptorObjective
from jaxsim.training.optim import sgd
from jaxsim.training.step import Recipe

SIZE_PX = 16


class TinyBackbone(nn.Module):
    """Two convolutions with batch norm."""

    folded: bool = False
    norm: str = "frozen"
    dtype: DTypeLike = jnp.float32

    epsilon: ClassVar[float] = 1e-3
    last_stage: ClassVar[str] = "last"

    @nn.compact
    def __call__(self, images, valid=None, *, train=False):
        """Returns one stage of 8 channels and stride 4."""
        layer = partial(
            ConvNorm, kernel=2, stride=2, folded=self.folded, norm=self.norm
        )
        x = Features(images.astype(self.dtype), valid)
        x = layer(6, activation=jax.nn.relu, name="first")(x, train=train)
        x = layer(8, activation=jax.nn.relu, name="second")(x, train=train)
        return {"last": x}


def network(**options) -> Descriptor:
    return Descriptor(
        TinyBackbone(**options),
        Gem(),
        mean=(127.0, 120.0, 110.0),
        std=(60.0, 60.0, 60.0),
    )


def batch(rows: int = 16, labels: int = 4, seed: int = 0) -> dict[str, jax.Array]:
    """Returns images of noise, of two shapes, `rows / labels` neighbours a label.

    Each has a box.
    """
    random = np.random.default_rng(seed)
    images = random.integers(0, 256, (rows, SIZE_PX, SIZE_PX, 3), np.uint8)
    valid = np.full((rows, 2), SIZE_PX, np.int32)
    valid[::3] = (SIZE_PX, 12)
    low = random.integers(0, 4, (rows, 2))
    boxes = np.concatenate([low, low + random.integers(5, 9, (rows, 2))], axis=1)
    return {
        "images": jnp.asarray(images),
        "valid": jnp.asarray(valid),
        "labels": jnp.arange(rows, dtype=jnp.int32) // (rows // labels),
        "boxes": jnp.asarray(boxes, jnp.float32),
    }


def transform() -> Augmentation:
    """Returns random changes of images that are then 32 pixels long."""
    return Augmentation(preprocessing=Preprocessing(size_px=32))


def recipe(**options) -> Recipe:
    settings = {
        "objective": DescriptorObjective(network(), TripletCriterion(margin=0.5)),
        "optimiser": sgd,
        "learning_rate": 0.1,
    }
    return Recipe(**{**settings, **options})


def variables(recipe: Recipe, seed: int = 0) -> dict:
    key = jax.random.key(seed)
    return jax.jit(lambda: recipe.objective.init(key, batch(12), key=key))()
