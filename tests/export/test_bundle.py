import dataclasses
import json

import numpy as np
import pytest

from jaxsim.core.errors import IndexFormatError
from jaxsim.data.preprocess import Preprocessing
from jaxsim.export.bundle import load_bundle
from jaxsim.export.module_json import from_json, to_json
from jaxsim.export.write import export_descriptor, export_similarity
from jaxsim.nn.backbones.efficientnet_lite import EfficientNetLite
from jaxsim.nn.backbones.resnet import ResNet
from jaxsim.nn.backbones.vgg import VGG16
from jaxsim.nn.descriptor import Descriptor
from jaxsim.nn.heads import FullyConnected
from jaxsim.nn.pooling import Gem, Mac, Rmac, Spoc
from jaxsim.nn.region_proposals import RegionProposals
from tests.export.models import PIXELS, descriptor, similarity
from tests.pipeline.tiny import record

NETWORKS = [
    Descriptor(EfficientNetLite("lite1", folded=True), Gem(initial_p=2.0), **PIXELS),
    Descriptor(ResNet(101), Rmac(2, 8, RegionProposals(count=3)), **PIXELS),
    Descriptor(VGG16(), Spoc(), stage="conv5", whiten_dim=4, **PIXELS),
    Descriptor(VGG16(), FullyConnected((3, 2)), unit=False, **PIXELS),
    Descriptor(VGG16(), Mac(), unit_before_whitening=False, **PIXELS),
    Preprocessing(size_px=99, interpolation="bicubic"),
    similarity(symmetric=True).network,
]


@pytest.mark.parametrize("network", NETWORKS)
def test_networks_come_back_from_json(network):
    text = json.dumps(to_json(network))
    assert from_json(json.loads(text), source="it") == network


@pytest.mark.parametrize(
    "text, message",
    [
        ({"type": "Popen", "args": ["rm"]}, "describes a 'Popen'"),
        ({"type": "Gem", "power": 3}, "Gem of another version"),
    ],
)
def test_other_descriptions_are_refused(text, message):
    with pytest.raises(IndexFormatError, match=message):
        from_json(text, source="it")


@pytest.fixture
def bundle(tmp_path):
    model = descriptor(Rmac(whiten_dim=16), scales=(1.0, 0.75))
    records = [record(str(i), seed=i) for i in range(3)]
    export_descriptor(model, tmp_path / "bundle", records, format="bundle")
    return model, tmp_path / "bundle"


def test_a_descriptor_comes_back(bundle):
    model, folder = bundle
    loaded = load_bundle(folder)
    assert loaded.fingerprint == model.fingerprint
    assert dataclasses.replace(loaded, variables={}) == dataclasses.replace(
        model, variables={}
    )
    files = {path.name for path in folder.iterdir()}
    assert files == {"model.json", "parameters.npz", "report.json"}


def test_a_similarity_comes_back(tmp_path):
    model = similarity()
    vectors = np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32)
    export_similarity(model, tmp_path / "out", vectors, "abcd", format="bundle")
    loaded = load_bundle(tmp_path / "out")
    assert (loaded.network, loaded.described_by) == (model.network, model.described_by)


def test_damage_is_told(bundle):
    _, folder = bundle
    with np.load(folder / "parameters.npz") as stored:
        parameters = {name: array + 1 for name, array in stored.items()}
    np.savez(folder / "parameters.npz", **parameters)
    with pytest.raises(IndexFormatError, match="damaged, or was changed"):
        load_bundle(folder)
    about = json.loads((folder / "model.json").read_text())
    for change, message in (
        ({"format": 99}, "has the format 99"),
        ({"kind": "cake"}, "holds a 'cake'"),
    ):
        (folder / "model.json").write_text(json.dumps(about | change))
        with pytest.raises(IndexFormatError, match=message):
            load_bundle(folder)
    del about["config"]
    (folder / "model.json").write_text(json.dumps(about))
    with pytest.raises(IndexFormatError, match="is no bundle"):
        load_bundle(folder)
    (folder / "model.json").write_text("{")
    with pytest.raises(IndexFormatError, match="cannot be read"):
        load_bundle(folder)
