"""A network that starts from the backbone of a model we trained."""

import jax
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from jaxsim.core.errors import WeightsError
from jaxsim.nn.backbones.efficientnet_lite import EfficientNetLite
from jaxsim.nn.backbones.fold import fold_batch_norm
from jaxsim.nn.backbones.pretrained import load_pretrained
from jaxsim.nn.backbones.vgg import VGG16
from jaxsim.nn.descriptor import Descriptor
from jaxsim.nn.pooling import Gem, Rmac, Spoc
from jaxsim.nn.region_proposals import RegionProposals
from jaxsim.nn.weights.packaged import packaged_weights

PIXELS = {"mean": (127.0, 127.0, 127.0), "std": (128.0, 128.0, 128.0)}


def descriptor(pooling, backbone=None):
    return Descriptor(backbone or EfficientNetLite(), pooling, **PIXELS)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The stored parameters of a model with another pooling, and their file."""
    variables = load_pretrained(descriptor(Gem()), packaged_weights("lite0"))
    folded = fold_batch_norm(variables, epsilon=EfficientNetLite.epsilon)
    flat = {k: np.asarray(v) for k, v in flatten_dict(folded, sep="/").items()}
    path = tmp_path_factory.mktemp("run") / "parameters.npz"
    np.savez(path, **flat)
    return flat, path


def test_the_backbone_is_the_trained_one_and_the_rest_is_new(trained):
    stored, path = trained
    network = descriptor(Rmac(whiten_dim=32))
    found = load_pretrained(network, path)
    images = jax.ShapeDtypeStruct((1, 64, 64, 3), np.uint8)
    wanted = jax.eval_shape(network.init, jax.random.key(0), images)
    assert jax.tree.structure(found) == jax.tree.structure(wanted)
    again = flatten_dict(
        fold_batch_norm(found, epsilon=EfficientNetLite.epsilon), sep="/"
    )
    backbone = [name for name in stored if name.startswith("params/backbone/")]
    assert len(backbone) > 90
    for name in backbone:
        np.testing.assert_allclose(again[name], stored[name], rtol=1e-6, atol=1e-7)
    assert found["params"]["pooling"]["whiten"]["projection"].shape == (1280, 32)


@pytest.mark.parametrize(
    "backbone", [EfficientNetLite(variant="lite1"), VGG16()], ids=["lite1", "vgg16"]
)
def test_another_backbone_is_refused(trained, backbone):
    with pytest.raises(WeightsError, match="does not fit this"):
        load_pretrained(descriptor(Spoc(), backbone), trained[1])


def test_a_whole_model_is_gone_on_from_and_may_get_proposals(trained, tmp_path):
    stored = trained[0] | {"params/pooling/p": np.full(1, 2.5, np.float32)}
    np.savez(tmp_path / "parameters.npz", **stored)
    found = load_pretrained(descriptor(Gem()), tmp_path)
    assert found["params"]["pooling"]["p"] == 2.5

    generator = np.random.default_rng(0)
    del stored["params/pooling/p"]
    whiten = {
        "params/pooling/whiten/projection": generator.normal(size=(1280, 8)),
        "params/pooling/whiten/bias": generator.normal(size=8),
    }
    np.savez(tmp_path / "parameters.npz", **stored, **whiten)
    network = descriptor(
        Rmac(whiten_dim=8, proposals=RegionProposals(count=4, channels=2))
    )
    params = load_pretrained(network, tmp_path)["params"]["pooling"]
    for name in ("projection", "bias"):
        np.testing.assert_array_equal(
            params["whiten"][name], whiten[f"params/pooling/whiten/{name}"]
        )
    assert params["proposals"]["hidden"]["kernel"].shape == (3, 3, 1280, 2)


@pytest.mark.parametrize("pooling", [Spoc(), Rmac(whiten_dim=8)], ids=["more", "less"])
def test_a_whole_model_must_fit(trained, pooling):
    with pytest.raises(WeightsError, match="only one of them has params/pooling"):
        load_pretrained(descriptor(pooling), trained[1].parent)
