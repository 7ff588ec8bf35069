"""Models whose parts do not go together are refused."""

import fiddle as fdl
import pytest

from jaxsim.core.errors import InputError
from jaxsim.experiment.descriptors import small_network_config


def test_descriptors_of_any_length_go_with_one_scale_and_no_whitening():
    assert not fdl.build(small_network_config()).network.unit
    for change in ({"scales": (1.0, 0.5)}, {"scales": ()}):
        with pytest.raises(InputError, match="scales"):
            fdl.build(fdl.copy_with(small_network_config(), **change))
    whitened = small_network_config()
    whitened.network.whiten_dim = 4
    with pytest.raises(InputError, match="unit=False"):
        fdl.build(whitened)
