"""Every backbone, and what it must be: one row each, one suite for all."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from jaxsim.nn.backbones import (
    efficientnet_lite_names,
    resnet_names,
    vgg_names,
)
from jaxsim.nn.backbones.efficientnet_lite import EfficientNetLite
from jaxsim.nn.backbones.resnet import ResNet
from jaxsim.nn.backbones.vgg import VGG16


@dataclass(frozen=True)
class BackboneRow:
    """A backbone and its facts.

    Attributes:
      golden: name of its arrays in golden/backbones.npz.
      module: unfolded, of float32.
      name_tables: makes its name tables, given `prefix`.
      library_names: naming -> library whose list of names must be covered.
      stages: shape (H, W, C) of every stage for an image of 70 x 97.
      parameters: count without the classifier.
    """

    golden: str
    module: EfficientNetLite | ResNet | VGG16
    name_tables: Callable[..., dict]
    library_names: dict[str, str]
    stages: dict[str, tuple[int, int, int]]
    parameters: int


def _lite(variant, channels, parameters) -> BackboneRow:
    maps = ((35, 48), (17, 24), (8, 12), (4, 6), (2, 3), (2, 3))
    names = ("stage1", "stage2", "stage3", "stage4", "stage5", "head")
    return BackboneRow(
        golden=variant,
        module=EfficientNetLite(variant),
        name_tables=partial(efficientnet_lite_names.name_tables, variant),
        library_names={"timm": "timm"},
        stages={n: (*m, c) for n, m, c in zip(names, maps, channels, strict=True)},
        parameters=parameters,
    )


def _resnet(depth, parameters) -> BackboneRow:
    return BackboneRow(
        golden=f"resnet{depth}",
        module=ResNet(depth),
        name_tables=partial(resnet_names.name_tables, depth),
        library_names={"torchvision": "torchvision", "dirtorch": "timm"},
        stages={
            "stage1": (35, 49, 64),
            "stage2": (18, 25, 256),
            "stage3": (9, 13, 512),
            "stage4": (5, 7, 1024),
            "stage5": (3, 4, 2048),
        },
        parameters=parameters,
    )


ROWS = (
    _lite("lite0", (16, 24, 40, 112, 320, 1280), 3_371_008),
    _lite("lite1", (16, 24, 40, 112, 320, 1280), 4_135_680),
    _lite("lite2", (16, 24, 48, 120, 352, 1280), 4_811_072),
    _resnet(50, 23_508_032),
    _resnet(101, 42_500_160),
    BackboneRow(
        golden="vgg16",
        module=VGG16(),
        name_tables=vgg_names.name_tables,
        library_names={"torchvision": "torchvision"},
        stages={
            "stage1": (35, 48, 64),
            "stage2": (17, 24, 128),
            "stage3": (8, 12, 256),
            "stage4": (4, 6, 512),
            "conv5": (4, 6, 512),
            "stage5": (2, 3, 512),
        },
        parameters=14_714_688,
    ),
)
