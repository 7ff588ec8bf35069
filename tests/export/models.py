"""Small networks with random parameters, and their exports."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxsim.data.preprocess import Preprocessing
from jaxsim.export.program import image_inputs, image_program
from jaxsim.nn.backbones.convnet import ConvNet
from jaxsim.nn.descriptor import Descriptor
from jaxsim.nn.pooling import Gem
from jaxsim.nn.similarity import SimilarityNetwork
from jaxsim.pipeline.model import ImageModel
from jaxsim.pipeline.similarity import SimilarityModel

PIXELS = {"mean": (120.0, 110.0, 100.0), "std": (60.0, 61.0, 62.0)}


def descriptor(
    pooling=None, *, backbone=None, scales=(1.0,), preprocessing=None, **options
) -> ImageModel:
    """Returns a model of 48 px images with random parameters."""
    module = Descriptor(
        backbone or ConvNet(folded=True), pooling or Gem(), **PIXELS, **options
    )
    preprocessing = preprocessing or Preprocessing(size_px=48)
    side = preprocessing.crop_px or preprocessing.size_px
    images = jnp.zeros((1, side, side, 3), jnp.uint8)
    variables = jax.jit(module.init)(jax.random.key(0), images)
    rng = np.random.default_rng(0)
    variables = jax.tree.map(
        lambda x: (
            np.asarray(x) + 0.02 * rng.standard_normal(x.shape).astype(np.float32)
        ),
        variables,
    )
    return ImageModel(
        module=module,
        variables=variables,
        preprocessing=preprocessing,
        scales=scales,
    )


def similarity(**options) -> SimilarityModel:
    """Returns a network of pairs of 8 numbers with random parameters."""
    network = SimilarityNetwork(dim=8, widths=(16, 12), **options)
    pair = jnp.ones((1, 8))
    variables = network.init(jax.random.key(1), pair, pair)
    variables = jax.tree.map(lambda x: np.asarray(x) * 20 + 0.1, variables)
    return SimilarityModel(network=network, variables=variables, described_by="0" * 32)


def program_of(model: ImageModel):
    """Returns the program of a model."""
    return image_program(model, image_inputs(model))


def arrays_for(program, *, batch=3, seed=0) -> dict[str, np.ndarray]:
    """Returns random images of different sizes in their slots."""
    rng = np.random.default_rng(seed)
    arrays = {}
    for name, (shape, dtype) in program.inputs.items():
        if name.startswith("images") and len(shape) == 3:
            arrays[name] = rng.integers(0, 256, (batch, *shape), np.uint8)
            slot = shape[:2]
        elif name.startswith("valid"):
            sizes = rng.integers(32, slot[0] + 1, (batch, 2))
            sizes[:, 0] = slot[0]
            sizes[1::2] = sizes[1::2, ::-1]
            arrays[name] = sizes.astype(np.int32)
        else:
            arrays[name] = rng.standard_normal((batch, *shape)).astype(dtype)
    return arrays


def computed(program, arrays) -> np.ndarray:
    """Returns what the program itself gives."""
    return np.asarray(jax.jit(program.function)(program.variables, *arrays.values()))
