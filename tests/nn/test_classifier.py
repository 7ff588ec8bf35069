import csv

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxsim.nn.backbones.efficientnet_lite import EfficientNetLite
from jaxsim.nn.backbones.efficientnet_lite_names import name_tables
from jaxsim.nn.backbones.fold import fold_batch_norm
from jaxsim.nn.classifier import ImageClassifier
from jaxsim.nn.features import Features
from jaxsim.nn.weights.import_weights import import_weights
from jaxsim.nn.weights.packaged import packaged_weights
from jaxsim.nn.weights.state_dict import read_state_dict
from tests.golden import formulas
from tests.nn.backbones.test_backbones_contract import GOLDEN

MEAN, STD = (127.0,) * 3, (128.0,) * 3


class Pixels(nn.Module):
    """A backbone whose one stage is the image itself."""

    last_stage = "pixels"

    def __call__(self, images, valid=None, *, train=False):
        return {"pixels": Features(images, valid)}


def test_averages_the_valid_cells_only():
    module = ImageClassifier(Pixels(), (10.0, 20.0, 30.0), (2.0, 4.0, 5.0), 2)
    images = jnp.arange(2 * 3 * 4 * 3, dtype=jnp.uint8).reshape(2, 3, 4, 3)
    valid = jnp.array([[3, 4], [1, 2]], jnp.int32)
    variables = module.init(jax.random.key(0), images, valid)
    kernel = variables["params"]["classifier"]["kernel"]
    pixels = (np.asarray(images, np.float32) - (10, 20, 30)) / (2, 4, 5)
    means = np.stack([pixels[0].mean((0, 1)), pixels[1, :1, :2].mean((0, 1))])
    found = module.apply(variables, images, valid)
    np.testing.assert_allclose(found, means @ kernel, rtol=1e-5)
    alone = module.apply(variables, images[:1])
    np.testing.assert_allclose(alone, means[:1] @ kernel, rtol=1e-5)


@pytest.fixture(scope="module")
def lite0():
    """A folded Lite0 classifier with its ImageNet weights, compiled on demand."""
    unfolded = ImageClassifier(EfficientNetLite(), MEAN, STD)
    image = jax.ShapeDtypeStruct((1, 32, 32, 3), jnp.uint8)
    template = jax.eval_shape(unfolded.init, jax.random.key(0), image)
    variables = import_weights(
        read_state_dict(packaged_weights("lite0")),
        name_tables("lite0", prefix=("backbone",))["packaged"],
        template,
        source="lite0",
    )
    variables = fold_batch_norm(variables, epsilon=EfficientNetLite.epsilon)
    folded = ImageClassifier(EfficientNetLite(folded=True), MEAN, STD)
    return jax.jit(lambda images: folded.apply(variables, images))


def test_logits_equal_pytorch(lite0):
    expected = GOLDEN["lite0/logits"]
    found = lite0(formulas.photo_pixels(224))[0]
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())


def test_names_real_photos(lite0, shared_data):
    """Every tenth of the 500 photos; all of them give top-1 .870, top-5 .970."""
    folder = shared_data / "imagenet_sample"
    with open(folder / "labels.csv") as file:
        rows = list(csv.DictReader(file))[::10]
    right = [
        np.argsort(lite0(centre(folder / row["path"]))[0])[::-1][:5]
        == int(row["class_index"])
        for row in rows
    ]
    assert np.mean([hits[0] for hits in right]) >= 0.8
    assert np.mean([hits.any() for hits in right]) >= 0.9


def centre(path) -> np.ndarray:
    """Returns a photo as the network was tested: 256 px short side, 224 px crop."""
    image = Image.open(path).convert("RGB")
    scale = 256 / min(image.size)
    image = image.resize(
        [round(n * scale) for n in image.size], Image.Resampling.BICUBIC
    )
    left, top = ((n - 224) // 2 for n in image.size)
    return np.asarray(image.crop((left, top, left + 224, top + 224)))[None]
