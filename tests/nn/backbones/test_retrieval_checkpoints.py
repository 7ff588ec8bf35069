"""Checkpoints of cirtorch and dirtorch, made up in their layout."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from jaxsim.core.errors import InputError, WeightsError
from jaxsim.experiment.build import build_model
from jaxsim.experiment.descriptors import descriptor_config
from jaxsim.nn.backbones import pretrained, resnet_names
from jaxsim.nn.backbones.resnet import ResNet

NAMES = {
    "cirtorch": (
        "features.0.weight",
        "features.4.0.downsample.1.running_mean",
        "features.7.2.bn3.running_var",
        "pool.p",
        "whiten.weight",
        "whiten.bias",
    ),
    "dirtorch": (
        "module.conv1.weight",
        "module.layer1.0.downsample.1.running_mean",
        "module.layer4.2.bn3.running_var",
        "module.adpool.p",
        "module.fc.weight",
        "module.fc.bias",
    ),
}
DIM, P = 16, 2.5


def checkpoint(naming: str) -> dict[str, np.ndarray]:
    """A state_dict of a ResNet-50 with GeM and a layer to 16 numbers, small values."""
    rng = np.random.default_rng(0)
    template = flatten_dict(
        jax.eval_shape(
            ResNet(50).init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)), None
        )
    )
    table = resnet_names.name_tables(50)[naming]
    prefix = "module." if naming == "dirtorch" else ""
    state = {}
    for name, target in table.items():
        if target.path not in template:
            continue
        shape = target.foreign_shape(template[target.path].shape)
        values = (
            rng.standard_normal(shape, np.float32) / max(1, np.prod(shape[1:])) ** 0.5
        )
        state[prefix + name] = abs(values) if name.endswith("var") else values
    head = [name for name in table if table[name].path[1] in ("pooling", "whiten")]
    exponent, weight, bias = (prefix + name for name in head)
    state[exponent] = np.array([P], np.float32)
    state[weight] = rng.standard_normal((DIM, 2048), np.float32)
    state[bias] = rng.standard_normal(DIM, np.float32)
    return state


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Where a state_dict seems to be."""

    def place(state: dict) -> str:
        path = tmp_path / "network.pth"
        path.touch()
        monkeypatch.setattr(pretrained, "read_state_dict", lambda _: state)
        return str(path)

    return place


def config(weights: str, whiten, *, dim: int = DIM):
    return descriptor_config(
        backbone="resnet50", pooling="gem", whiten=whiten, dim=dim, weights=weights
    )


@pytest.mark.parametrize("naming", ["cirtorch", "dirtorch"])
def test_exponent_and_whitening_come_from_the_file(naming, file):
    state = checkpoint(naming)
    assert set(NAMES[naming]) <= state.keys()
    exponent, weight, bias = (state[name] for name in NAMES[naming][-3:])
    model = build_model(config(file(state), naming))
    network, variables = model.module, model.variables
    assert variables["params"]["pooling"]["p"] == exponent
    images = jax.random.randint(jax.random.key(1), (2, 64, 80, 3), 0, 255, jnp.uint8)
    pooled = np.array(network.apply(variables, images, method="unscaled"))
    if naming == "cirtorch":
        pooled /= np.linalg.norm(pooled, axis=1, keepdims=True)
    expected = pooled @ weight.T + bias
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(network.apply(variables, images), expected, atol=2e-5)


def test_a_file_without_whitening_is_refused(file):
    state = checkpoint("cirtorch")
    del state["whiten.bias"]
    with pytest.raises(WeightsError, match="'whiten.bias' is missing"):
        build_model(config(file(state), "cirtorch"))


def test_another_dimension_is_refused(file):
    state = checkpoint("dirtorch")
    with pytest.raises(WeightsError, match=r"has shape \(16, 2048\), expected \(8, "):
        build_model(config(file(state), "dirtorch", dim=8))


def test_packaged_weights_have_no_whitening():
    with pytest.raises(InputError, match="hold no whitening"):
        build_model(descriptor_config(whiten="cirtorch", pooling="gem"))
