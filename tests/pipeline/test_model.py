"""What tells one model from another."""

import numpy as np

from jaxsim.data.preprocess import Preprocessing
from jaxsim.nn.backbones.efficientnet_lite import EfficientNetLite
from jaxsim.nn.descriptor import Descriptor
from jaxsim.nn.pooling import Rmac
from jaxsim.nn.region_proposals import RegionProposals
from jaxsim.pipeline.model import ImageModel


def fingerprint(pooling) -> str:
    pixels = {"mean": (127.0, 127.0, 127.0), "std": (128.0, 128.0, 128.0)}
    return ImageModel(
        module=Descriptor(EfficientNetLite(), pooling, **pixels),
        variables={"params": {"x": np.zeros(2, np.float32)}},
        preprocessing=Preprocessing(),
    ).fingerprint


def test_proposals_that_are_off_leave_fingerprints_as_they_were():
    plain = fingerprint(Rmac(whiten_dim=4))
    assert plain == "f0a613322394ae54a84262c0d1e50843"
    proposing = [
        fingerprint(Rmac(whiten_dim=4, proposals=RegionProposals(count=count)))
        for count in (16, 32)
    ]
    assert len({plain, *proposing}) == 3
