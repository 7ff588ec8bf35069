import pytest

from jaxsim.nn.backbones.efficientnet_lite import (
    blocks,
    round_channels,
)


@pytest.mark.parametrize(
    "channels, rounded",
    [(16.0, 16), (17.6, 16), (26.4, 24), (44.0, 48), (123.2, 120), (3.0, 8)],
)
def test_channels_are_multiples_of_eight(channels, rounded):
    assert round_channels(channels) == rounded


def test_rounding_never_loses_more_than_a_tenth():
    assert round_channels(10.0) == 16
    assert all(round_channels(float(n)) >= 0.9 * n for n in range(1, 400))


@pytest.mark.parametrize(
    "variant, number", [("lite0", 16), ("lite1", 21), ("lite2", 21)]
)
def test_first_and_last_group_are_not_deepened(variant, number):
    found = blocks(variant)
    assert len(found) == number
    assert [block.expansion for block in found].count(1) == 1
    assert sum(block.channels == found[-1].channels for block in found) == 1
    assert [block.stride for block in found].count(2) == 4
