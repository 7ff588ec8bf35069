"""The descriptor configs that experiments and the command line start from."""

from typing import Literal

import fiddle as fdl

from jaxsim.core.errors import InputError
from jaxsim.data.preprocess import Preprocessing
from jaxsim.experiment.model_spec import PACKAGED, RANDOM, ModelSpec
from jaxsim.nn.backbones.convnet import ConvNet
from jaxsim.nn.backbones.efficientnet_lite import EfficientNetLite
from jaxsim.nn.backbones.resnet import ResNet
from jaxsim.nn.backbones.vgg import VGG16
from jaxsim.nn.descriptor import Descriptor
from jaxsim.nn.heads import FullyConnected
from jaxsim.nn.pooling import Gem, Mac, Rmac, Spoc

BackboneName = Literal["lite0", "lite1", "lite2", "resnet50", "resnet101", "vgg16"]
PoolingName = Literal["spoc", "gem", "mac", "rmac"]
WhitenName = Literal["none", "regions", "pca", "learned", "cirtorch", "dirtorch"]

_WHITENINGS = {"learned": "learned", "cirtorch": "imported", "dirtorch": "imported"}
LITE_PIXELS = {"mean": (127.0, 127.0, 127.0), "std": (128.0, 128.0, 128.0)}
IMAGENET_PIXELS = {"mean": (123.675, 116.28, 103.53), "std": (58.395, 57.12, 57.375)}


def backbone_config(name: BackboneName) -> fdl.Config:
    """Returns the config of a backbone by its common name."""
    match name:
        case "resnet50" | "resnet101":
            return fdl.Config(ResNet, depth=int(name.removeprefix("resnet")))
        case "vgg16":
            return fdl.Config(VGG16)
        case _:
            return fdl.Config(EfficientNetLite, variant=name)


def pixels_of(name: BackboneName) -> dict[str, tuple[float, float, float]]:
    """Returns the pixel mean and std that a backbone's ImageNet weights expect."""
    return LITE_PIXELS if name.startswith("lite") else IMAGENET_PIXELS


def descriptor_config(
    *,
    backbone: BackboneName = "lite0",
    pooling: PoolingName = "rmac",
    whiten: WhitenName = "none",
    dim: int = 512,
    size_px: int = 480,
    weights: str = PACKAGED,
    scales: tuple[float, ...] = (1.0,),
) -> fdl.Config[ModelSpec]:
    """Returns the config of a descriptor.

    Args:
      backbone: the convolutional network.
      pooling: how its last feature map becomes one vector.
      whiten: "regions" whitens each R-MAC region, "pca" and "learned" the whole vector;
        "cirtorch" and "dirtorch" take the layer that a weight file of theirs holds.
      dim: size of whitened vectors.
      size_px: images are resized to this longest side.
      weights: "packaged", or a weight file.
      scales: multiples of `size_px` that are combined.

    Raises:
      InputError: region whitening is asked of a pooling without regions.
    """
    if whiten == "regions" and pooling != "rmac":
        raise InputError(
            f"whiten=regions needs pooling=rmac, which has regions; pooling={pooling} "
            "takes whiten=pca, learned or none"
        )
    pool = fdl.Config({"spoc": Spoc, "gem": Gem, "mac": Mac, "rmac": Rmac}[pooling])
    if whiten == "regions":
        pool.whiten_dim = dim
    network = fdl.Config(
        Descriptor,
        backbone=backbone_config(backbone),
        pooling=pool,
        whiten_dim=None if whiten in ("none", "regions") else dim,
        **pixels_of(backbone),
    )
    if whiten == "dirtorch":
        network.unit_before_whitening = False
    return fdl.Config(
        ModelSpec,
        network=network,
        preprocessing=fdl.Config(Preprocessing, size_px=size_px),
        weights=weights,
        scales=scales,
        whitening=_WHITENINGS.get(whiten, "pca"),
    )


def small_network_config(
    *, dim: int = 10, size_px: int = 64, final_activation: bool = False
) -> fdl.Config[ModelSpec]:
    """Returns the config of a small network to be trained from nothing.

    Two convolutions and three dense layers on squashed images; its descriptors are no
    unit vectors and are compared by Euclidean distance.

    Args:
      dim: size of the descriptor.
      size_px: side of the squashed images.
      final_activation: a ReLU after the last layer, whose descriptors can collapse.
    """
    return fdl.Config(
        ModelSpec,
        network=fdl.Config(
            Descriptor,
            backbone=fdl.Config(ConvNet),
            pooling=fdl.Config(
                FullyConnected, dims=(256, 256, dim), final_activation=final_activation
            ),
            unit=False,
            **IMAGENET_PIXELS,
        ),
        preprocessing=fdl.Config(Preprocessing, size_px=size_px, resize="square"),
        weights=RANDOM,
    )
