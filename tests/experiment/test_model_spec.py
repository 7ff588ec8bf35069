"""Models whose parts do not go together are refused."""

import fiddle as fdl
import pytest

from jaxsim.core.errors import InputError
from jaxsim.experiment.descriptors import small_network_config
from jaxsim.experiment.dir import model_config


def test_descriptors_of_any_length_go_with_one_scale_and_no_whitening():
    assert not fdl.build(small_network_config()).network.unit
    for change in ({"scales": (1.0, 0.5)}, {"scales": ()}):
        with pytest.raises(InputError, match="scales"):
            fdl.build(fdl.copy_with(small_network_config(), **change))
    whitened = small_network_config()
    whitened.network.whiten_dim = 4
    with pytest.raises(InputError, match="unit=False"):
        fdl.build(whitened)


def test_no_more_regions_are_proposed_than_there_are_anchors():
    def config(proposals):
        return model_config(
            backbone="lite0",
            weights="packaged",
            size_px=128,
            dim=8,
            proposals=proposals,
        )

    assert fdl.build(config(144)).network.pooling.proposals.count == 144
    with pytest.raises(InputError, match="145 regions .* 4x4 cells and 144 anchors"):
        fdl.build(config(145))
