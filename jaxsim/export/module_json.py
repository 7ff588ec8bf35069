"""Networks as plain JSON, and back: what a bundle holds in place of a config."""

import dataclasses
from typing import Any

from jaxsim.core.errors import IndexFormatError
from jaxsim.data.preprocess import Preprocessing
from jaxsim.nn.backbones.convnet import ConvNet
from jaxsim.nn.backbones.efficientnet_lite import EfficientNetLite
from jaxsim.nn.backbones.resnet import ResNet
from jaxsim.nn.backbones.vgg import VGG16
from jaxsim.nn.classifier import ImageClassifier
from jaxsim.nn.descriptor import Descriptor
from jaxsim.nn.graph import GraphNetwork
from jaxsim.nn.heads import FullyConnected
from jaxsim.nn.pooling import Gem, Mac, Rmac, Spoc
from jaxsim.nn.region_proposals import RegionProposals
from jaxsim.nn.similarity import SimilarityNetwork

# A file can name nothing else: reading one runs no code but theirs.
CLASSES: dict[str, type] = {
    known.__name__: known
    for known in (
        ConvNet,
        Descriptor,
        EfficientNetLite,
        FullyConnected,
        Gem,
        GraphNetwork,
        ImageClassifier,
        Mac,
        Preprocessing,
        RegionProposals,
        ResNet,
        Rmac,
        SimilarityNetwork,
        Spoc,
        VGG16,
    )
}
"""Class of a network or of its parts, by the name that files hold."""

# The first two are Flax's; numbers are computed in the format that suits the platform.
SKIPPED = ("parent", "name", "dtype")


def to_json(value: Any) -> Any:
    """Returns a network, or what one is made of, as values that JSON can hold."""
    if isinstance(value, tuple):
        return [to_json(x) for x in value]
    if type(value).__name__ not in CLASSES:
        return value
    fields = (f.name for f in dataclasses.fields(value) if f.name not in SKIPPED)
    described = {name: to_json(getattr(value, name)) for name in fields}
    return {"type": type(value).__name__, **described}


def from_json(value: Any, *, source: str) -> Any:
    """Returns the network that `to_json` described.

    Args:
      value: read from JSON.
      source: where it was read, for messages.

    Raises:
      IndexFormatError: it names a class that this version does not have, or fields
        that its class does not have.
    """
    if isinstance(value, list):
        return tuple(from_json(x, source=source) for x in value)
    if not isinstance(value, dict):
        return value
    fields = {k: from_json(v, source=source) for k, v in value.items() if k != "type"}
    kind = value.get("type")
    if kind not in CLASSES:
        raise IndexFormatError(
            f"{source} describes a '{kind}', which this version of jaxsim does not "
            f"have; it has {', '.join(CLASSES)}. Use the version that wrote it, or "
            "export the model again"
        )
    try:
        return CLASSES[kind](**fields)
    except TypeError as error:
        raise IndexFormatError(
            f"{source} describes a {kind} of another version of jaxsim ({error}). "
            "Use the version that wrote it, or export the model again"
        ) from error
