import json

import jax
import numpy as np
import pytest

from jaxsim.core.errors import WeightsError
from jaxsim.export.safetensors_file import (
    naming_of,
    read_variables,
    write_safetensors,
)
from jaxsim.nn.backbones.efficientnet_lite import EfficientNetLite
from jaxsim.nn.backbones.pretrained import load_pretrained
from jaxsim.nn.backbones.resnet import ResNet
from jaxsim.nn.pooling import Gem
from tests.export.models import arrays_for, descriptor, program_of, similarity

safetensors = pytest.importorskip("safetensors", reason="the extra is not installed")

MODELS = {
    "timm": lambda: descriptor(Gem(), backbone=EfficientNetLite("lite0", folded=True)),
    "torchvision": lambda: descriptor(
        Gem(), backbone=ResNet(50, folded=True), whiten_dim=8
    ),
    "jaxsim": lambda: descriptor(Gem(), whiten_dim=8),
    "pairs": similarity,
}
NAMES = {
    "timm": ("blocks.0.0.bn1.running_mean", "conv_head.weight", "pooling.p"),
    "torchvision": ("layer1.0.downsample.0.weight", "whiten.projection"),
    "jaxsim": ("backbone.stage1_conv.conv.kernel",),
    "pairs": ("query.kernel", "hidden_0.bias"),
}


@pytest.mark.parametrize("name", MODELS)
def test_parameters_have_foreign_names_and_come_back(name, tmp_path):
    model = MODELS[name]()
    path = tmp_path / "model.safetensors"
    write_safetensors(model, path, about={"kind": "it"})
    with safetensors.safe_open(path, "numpy") as file:
        assert set(NAMES[name]) <= set(file.keys())
        metadata = file.metadata()
    expected = naming_of(model) or "jaxsim"
    assert metadata["naming"] == expected and (name in (expected, "pairs"))
    assert json.loads(metadata["jaxsim"]) == {"kind": "it"}
    found = read_variables(path, model)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7),
        found,
        dict(model.variables),
    )


def test_the_file_is_read_as_weights(tmp_path):
    model = MODELS["timm"]()
    write_safetensors(model, tmp_path / "model.safetensors", about={})
    network = model.module.clone(backbone=EfficientNetLite("lite0"))
    variables = load_pretrained(network, tmp_path / "model.safetensors")
    arrays = arrays_for(program_of(model), batch=1)
    again = jax.jit(network.apply)(variables, *arrays.values())
    expected = jax.jit(model.module.apply)(model.variables, *arrays.values())
    np.testing.assert_allclose(again, expected, atol=1e-5)


def test_a_file_of_another_model_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    write_safetensors(MODELS["jaxsim"](), path, about={})
    with pytest.raises(WeightsError, match="does not fit this model"):
        read_variables(path, descriptor(Gem()))
